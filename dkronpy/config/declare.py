"""The words of a configuration file beside ``Job`` itself: ``@job``, ``template``, ``defaults`` and ``moved``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dkronpy.collect import declare_moved, default_fields, withdraw
from dkronpy.job import Job
from dkronpy.plugins.registry import options_by_class_name
from dkronpy.schedule.problems import did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dkronpy.job.fields import JobFields

CallableT = TypeVar("CallableT", bound=Callable[..., Any])


def job(
    *,
    name: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **fields: Unpack[JobFields],
) -> Callable[[CallableT], CallableT]:
    """Make a job of the decorated function, which stays the plain function it is.

    *name* is by default the function's, with ``-`` for ``_``; ``doc`` its docstring. It is called with
    *args* and *kwargs* on the node, where it has to be importable by its dotted name.
    """

    def declare(function: CallableT) -> CallableT:
        python = options_by_class_name("Python")
        plain = function.__name__.strip("_").lower().replace("_", "-") if name is None else name
        described: dict[str, Any] = {"doc": inspect.getdoc(function) or "", **fields}
        Job(name=plain, run=python(function, *args, **(kwargs or {})), **described)
        return function

    return declare


def template(model: Job) -> Job:
    """*model* as a pattern for ``model.but(...)``: it is not itself a job of the configuration, and may
    be incomplete.
    """
    withdraw(model)
    return model


def moved(old: str, new: str) -> None:
    """The job *new* of this configuration was called *old*: where that is stored, `apply` renames it.

    The phase of its schedule, its counters and its revisions go along. Once every deployment was applied to, the
    line may be taken out.
    """
    declare_moved(old, new)


def defaults(**fields: Unpack[JobFields]) -> AbstractContextManager[None]:
    """``with defaults(timeout="5m"):`` - every job built in the block that does not give these fields
    has them.

    Blocks may be nested; the inner one wins. A block gives whole fields: two values of ``metadata`` are
    not merged.
    """
    known = [field.name for field in msgspec.structs.fields(Job)]
    for name in fields:
        if name not in known or name in ("name", "run"):
            raise TypeError(f"defaults() cannot set {name!r} {did_you_mean(name, known)}".strip())
    return default_fields(fields)
