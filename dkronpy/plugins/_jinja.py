"""The part of Jinja that templates may use, and nothing that could run long or grow large.

Imported only when a text has a template in it: Jinja costs more to import than most jobs to start.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from dkronpy.errors import ConfigError
from dkronpy.plugins.template_names import NAMES, RAW
from dkronpy.plugins.values import did_you_mean

LONGEST = 1_000_000
"""Characters of a template, of what it becomes, and of every value on the way."""

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict,
    nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Filter, nodes.Test,
    nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub,
    nodes.Neg, nodes.Pos,
)  # fmt: skip
_FILTERS = (
    "abs", "capitalize", "d", "default", "first", "float", "int", "last", "length", "lower", "round", "string",
    "title", "tojson", "trim", "truncate", "upper", "urlencode",
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "number", "in", "==", "!=", "<", "<=", ">", ">=", "even", "odd")
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset({"lower", "upper", "strip", "lstrip", "rstrip", "startswith", "endswith", "removeprefix",
                     "removesuffix", "split"})),
    (date, frozenset({"isoformat", "strftime", "date", "time", "timestamp", "weekday", "isoweekday"})),
    (time, frozenset({"isoformat", "strftime"})),
    (Mapping, frozenset({"get"})),
)  # fmt: skip


class TemplateError(ConfigError):
    """A template that cannot be rendered: one line that says why."""


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        if isinstance(value, str) and len(value) > LONGEST:
            raise SecurityError(f"a value has more than {LONGEST:,} characters")
        return value

    return call


def _replace(text: Any, old: str, new: str) -> str:
    """``replace`` that knows how long its result is before it makes it."""
    whole, old, new = str(text), str(old), str(new)
    if not old:
        raise SecurityError("replace needs something to look for")
    if len(whole) + whole.count(old) * (len(new) - len(old)) > LONGEST:
        raise SecurityError(f"a value has more than {LONGEST:,} characters")
    return whole.replace(old, new)


def _shown(value: Any) -> Any:
    if callable(value) and not isinstance(value, Undefined):
        raise SecurityError(f"{getattr(value, '__name__', 'it')} has to be called: put () behind it")
    return value


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+"})

    def is_safe_callable(self, obj: Any) -> bool:
        """Only methods that have an end, of the values that templates see."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if any(isinstance(owner, kind) and name in names for kind, names in _METHODS):
            return True
        raise SecurityError(f"{name or obj!r} cannot be called in a template")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """A sum that is not too long."""
        if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) > LONGEST:
            raise SecurityError(f"a value has more than {LONGEST:,} characters")
        return left + right


@functools.cache
def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, optimized=False, cache_size=0,
        finalize=_shown,
    )  # fmt: skip
    environment.globals.clear()
    environment.filters = {name: _bounded(FILTERS[name]) for name in _FILTERS} | {"replace": _replace}
    environment.tests = {name: TESTS[name] for name in _TESTS}
    return environment


@functools.lru_cache(maxsize=256)
def _compiled(text: str, names: tuple[str, ...] = NAMES) -> Template:
    environment = _environment()
    if len(text) > LONGEST:
        raise TemplateError(f"it has more than {LONGEST:,} characters")
    try:
        tree = environment.parse(text)
        for node in tree.find_all(nodes.Node):
            _check(node, names)
        code = environment.compile(tree)
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}", hint=RAW) from None
    except JinjaError as error:
        raise TemplateError(str(error.message)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise TemplateError("it is nested too deep") from None
    return Template.from_code(environment, code, {})


def _check(node: nodes.Node, names: tuple[str, ...]) -> None:
    """Refuse what is not part of our language. Raises TemplateError."""
    name = getattr(node, "name", "")
    if not isinstance(node, _NODES):
        word = type(node).__name__.lower()
        raise TemplateError(f"{word!r} is not known in templates; they have expressions and 'if'", hint=RAW)
    if isinstance(node, nodes.Name) and name not in names:
        raise TemplateError(f"there is no {name!r}; known: {', '.join(names)}", hint=did_you_mean(name, names) or RAW)
    if isinstance(node, nodes.Filter) and name not in _environment().filters:
        known = sorted(_environment().filters)
        raise TemplateError(f"there is no filter {name!r}; known: {', '.join(known)}", hint=did_you_mean(name, known))


def check_template(text: str, names: tuple[str, ...]) -> None:
    """Raise TemplateError for a template that no facts of these *names* could make right."""
    _compiled(text, names)


def render_text(text: str, facts: Mapping[str, Any], *, names: tuple[str, ...] = NAMES) -> str:
    """*text* with its templates rendered; they speak of *names*. Raises TemplateError for one that cannot be."""
    template = _compiled(text, names)
    parts: list[str] = []
    size = 0
    try:
        for part in template.generate(facts):
            size += len(part)
            if size > LONGEST:
                raise TemplateError(f"it becomes more than {LONGEST:,} characters")
            parts.append(part)
    except UndefinedError as error:
        raise TemplateError(_undefined(str(error.message)), hint=RAW) from None
    except JinjaError as error:
        raise TemplateError(str(error.message)) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise TemplateError(f"{type(error).__name__}: {error}") from None
    return "".join(parts)


def _undefined(message: str) -> str:
    """Jinja's words without the names of our classes."""
    for kind, shown in (
        ("dkronpy.plugins.template.JobFacts object", "job"),
        ("dkronpy.plugins.template.ParentFacts object", "a parent"),
        ("dict object", "a table"),
    ):
        message = message.replace(f"'{kind}'", shown)
    return message.replace(f"'{datetime.__module__}.{datetime.__name__} object'", "a moment")
