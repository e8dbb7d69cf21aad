"""Calls a Python function in a process of its own, so that it can be timed out, limited and cancelled."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Concatenate, ParamSpec, overload

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome, RunContext
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import read, read_json, shown

from ._process import ProcessOptions, outcome_of, texts

P = ParamSpec("P")

_CURE = "move it to the top of a module that can be imported on the node, such as tasks/cleanup.py"


def _read_args(value: Any) -> tuple[Any, ...]:
    return tuple(read_json(item) for item in read(value, tuple[Any, ...]))


_ARGS = msgspec.Meta(extra={"read": _read_args, "kind": "list of JSON"})


class PythonCall(ProcessOptions, frozen=True):
    """A function by name with its arguments; ``Python(function, ...)`` makes one with checked types."""

    plugin: ClassVar[str] = "python"

    callable: Annotated[str, doc("The function, as `module:name` or `module:Class.name`; importable on the node.")]
    args: Annotated[tuple[Any, ...], _ARGS, doc("Its positional arguments, JSON values.")] = ()
    kwargs: Annotated[dict[str, Any], doc("Its named arguments, JSON values.")] = {}  # noqa: RUF012 - copied

    def check(self) -> Iterator[Problem]:
        """The function must have a dotted name under which another process finds it."""
        yield from super().check()
        module, colon, qualname = self.callable.partition(":")
        if "<" in self.callable:
            what = "a lambda" if "<lambda>" in qualname else "defined inside a function or bound to an object"
            message = f"{shown(self.callable)} is {what}, so no other process can import it by name"
            yield self.problem("callable", message, _CURE)
        elif module == "__main__":
            message = f"{qualname!r} is defined in the program that is run, which no other process can import"
            yield self.problem("callable", message, _CURE)
        elif not colon or not all(part.isidentifier() for part in [*module.split("."), *qualname.split(".")]):
            message = f"{shown(self.callable)} names no function; the form is module:function"
            yield self.problem("callable", message, _with_colon(self.callable))


def _with_colon(name: str) -> str:
    module, dot, function = name.rpartition(".")
    return f"did you mean '{module}:{function}'?" if dot and ":" not in name else ""


@overload
def Python(  # the run's context is put in front of the arguments by the node
    function: Callable[Concatenate[RunContext, P], object], /, *args: P.args, **kwargs: P.kwargs
) -> PythonCall: ...
@overload
def Python(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> PythonCall: ...
@overload
def Python(function: str, /, *args: Any, **kwargs: Any) -> PythonCall: ...
def Python(function: Callable[..., object] | str, /, *args: Any, **kwargs: Any) -> PythonCall:  # noqa: N802 - stands beside Shell and Http
    """Options that call *function* with these arguments; a type checker checks them against its signature.

    *function* is a function at the top of a module, or its name as ``module:function``. It travels as
    that name, so the node needs the same code. A first parameter annotated ``RunContext`` is filled in by
    the node. For limits: ``Python(purge, 90).but(mem_limit="1GB")``.
    """
    name = function if isinstance(function, str) else name_of(function)
    return PythonCall(name, args=args, kwargs=kwargs)


def name_of(function: Callable[..., object]) -> str:
    """``module:qualname`` of *function*; with ``<...>`` in it for what cannot be imported by name."""
    if isinstance(function, functools.partial):
        return f"{name_of(function.func)}<partial>"
    owner = getattr(function, "__self__", None)
    bound = "" if owner is None or inspect.isclass(owner) or inspect.ismodule(owner) else "<bound>"
    qualname = getattr(function, "__qualname__", None) or f"<{type(function).__name__}>"
    return f"{getattr(function, '__module__', None) or '<unknown>'}:{qualname}{bound}"


class PythonExecutor(Executor[PythonCall]):
    """Calls functions in a forked child behind the shim; what they return is the result of the attempt."""

    options = PythonCall

    def execute(self, options: PythonCall, context: ExecutionContext) -> Outcome:
        """Call the function; what it prints is the output, an exception's traceback included."""
        return outcome_of(
            context.spawn(
                options.process(
                    callable=options.callable,
                    args=options.args,
                    kwargs=options.kwargs,
                    env=context.environment({**texts(options.env), "ENV_JOB_NAME": context.job}),
                )
            ),
            options,
        )
