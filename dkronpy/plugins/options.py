"""The typed options of a plugin, and how Dkron's string-to-string configuration becomes them."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from dkronpy.errors import InvalidError, Problem
from dkronpy.plugins.values import Rejected, did_you_mean, plain, read, type_hints
from dkronpy.secret import Secret

OptionsT = TypeVar("OptionsT", bound="Options")
PREFIX = "executor_config."


def doc(description: str, *, dkron: str = "", kind: str = "") -> msgspec.Meta:
    """The documentation of an option, for ``Annotated[type, doc("...")]``.

    ``dkron`` is the key that Dkron has for it where that differs from ours; ``kind`` is how the
    documentation names the type.
    """
    return msgspec.Meta(description=description, extra={"dkron": dkron, "kind": kind})


class FieldDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of one option. ``default`` is JSON; ``dkron`` is Dkron's name for it."""

    name: str
    kind: str
    required: bool
    default: Any
    dkron: str
    description: str

    @property
    def default_text(self) -> str:
        """The default as a person reads it; '' where there is none."""
        value = self.default
        return "" if value in (None, {}, []) else value if isinstance(value, str) else json.dumps(value)


class Options(msgspec.Struct, frozen=True):
    """The base of every plugin's options: one field a key, each with its type and default.

    Values are read when the options are built: ``Shell("x", timeout="10s").timeout`` is a ``timedelta``.
    A value that cannot be read stays as it is and is named by ``problems()``, so that a file with three
    mistakes is told of all three. Text in options may be a ``Secret``; see ``resolve_secrets``.
    """

    plugin: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for name, hint, value, usual in _unusual(self):
            if value is _declared(type(self))[name]:
                msgspec.structs.force_setattr(self, name, usual)
                continue
            with contextlib.suppress(Rejected):
                msgspec.structs.force_setattr(self, name, read(value, hint))

    @classmethod
    def from_config(  # noqa: PYI019 - Self is not in Python 3.10
        cls: type[OptionsT], config: Mapping[str, Any], *, job: str = ""
    ) -> OptionsT:
        """The options that a job's ``executor_config`` stands for.

        Takes Dkron's keys with string values, and our keys with typed values. None and ``""`` mean that
        the key is not given, as Dkron's web UI sends it; only where any JSON is taken is ``""`` a value.

        Raises InvalidError that names every problem as ``executor_config.<key>``; *job* is its subject.
        """
        values, problems = _read_config(cls, config)
        missing = [entry.name for entry in describe(cls) if entry.required and entry.name not in values]
        if not missing:
            options = cls(**values)
            seen = {problem.field for problem in problems}
            problems += [problem for problem in options.problems() if problem.field not in seen]
            if not problems:
                return options
        seen = {problem.field for problem in problems}
        for name in missing:
            if not {PREFIX + key for key in keys_of(cls, name)} & seen:
                problems.append(Problem(PREFIX + name, None, cls.missing(name)))
        raise InvalidError(job or f"{cls.plugin or cls.__name__} options", problems)

    @classmethod
    def structured(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """*config* with its values as ``to_config`` writes them; one that cannot be read stays as it is."""
        values, _ = _read_config(cls, config)
        rest = {key: value for key, value in config.items() if _keys(cls).get(key) not in values}
        return rest | {name: plain(value) for name, value in values.items()}

    @classmethod
    def verbatim(cls, config: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG003 - for subclasses
        """The options in *config* that no template may stand in, each with what to do instead."""
        return {}

    @classmethod
    def missing(cls, name: str) -> str:
        """The message for the required option *name* that was not given."""
        return f"{name} is missing"

    def to_config(self) -> dict[str, Any]:
        """JSON values that ``from_config`` reads back to equal options; defaults are left out."""
        found = {}
        for name, default in _declared(type(self)).items():
            value = getattr(self, name)
            if value is not default and value != default:
                found[name] = plain(value)
        return found

    def problems(self) -> list[Problem]:
        """Everything that is wrong with these options; empty when they can be used."""
        found = []
        for name, hint, value, _ in _unusual(self):
            try:
                read(value, hint)
            except Rejected as error:
                found.append(Problem(PREFIX + name, value, error.message, error.hint))
        return found or list(self.check())

    def check(self) -> Iterator[Problem]:
        """What is wrong with values that can each be read; for subclasses."""
        yield from ()

    def problem(self, name: str, message: str, hint: str = "") -> Problem:
        """A problem with the option *name*, for ``check``."""
        return Problem(PREFIX + name, getattr(self, name), message, hint)

    def but(self: OptionsT, **changes: Any) -> OptionsT:  # noqa: PYI019 - Self is not in Python 3.10
        """A copy with some options changed."""
        return msgspec.structs.replace(self, **changes)


_NONE: Any = object()
"""What no option is."""


@functools.cache
def _usual(kind: type[Options]) -> tuple[tuple[str, Any, Any], ...]:
    """Each option of a plugin with its type and its default as it is read, ``_NONE`` where it has none."""
    found = []
    for field in _fields(kind):
        hint, usual = type_hints(kind)[field.name], _NONE
        if not field.required:
            with contextlib.suppress(Rejected):
                usual = read(_default(field), hint)
        found.append((field.name, hint, usual))
    return tuple(found)


@functools.cache
def _declared(kind: type[Options]) -> dict[str, Any]:
    """The default of each option of a plugin as it is declared, ``_NONE`` where it has none."""
    return {field.name: _NONE if field.required else _default(field) for field in _fields(kind)}


def _unusual(options: Options) -> list[tuple[str, Any, Any, Any]]:
    """Name, type, value and usual value of those options that have another: few, of most jobs, and fleets are large."""
    found = []
    for name, hint, usual in _usual(type(options)):
        value = getattr(options, name)
        if value is not usual and (type(value) is not type(usual) or value != usual):
            found.append((name, hint, value, usual))
    return found


def _read_config(cls: type[Options], config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    names, hints = _keys(cls), type_hints(cls)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in config.items():
        if (name := names.get(key)) is None:
            accepted = "accepted: " + ", ".join(hints)
            problems.append(
                Problem(PREFIX + str(key), value, "there is no such option; " + accepted, did_you_mean(key, names))
            )
        elif value is None or (value == "" and not _takes_anything(hints[name])):
            continue
        elif name in values:
            problems.append(Problem(PREFIX + key, value, f"{key} and {name} are the same option; give one"))
        else:
            try:
                values[name] = read(value, hints[name])
            except Rejected as error:
                problems.append(Problem(PREFIX + key, value, error.message, error.hint))
    return values, problems


def _takes_anything(hint: Any) -> bool:
    return getattr(hint, "__origin__", hint) is Any


@functools.cache
def _fields(cls: type[Options]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of *cls*; msgspec evaluates every annotation anew when it is asked, which takes half a millisecond."""
    return msgspec.structs.fields(cls)


@functools.cache
def _keys(cls: type[Options]) -> dict[str, str]:
    """Every key that is understood, with the field it stands for."""
    return {key: entry.name for entry in describe(cls) for key in (entry.name, entry.dkron) if key}


def keys_of(cls: type[Options], name: str) -> list[str]:
    """Every key that stands for the field *name*: ours and Dkron's."""
    return [key for key, field in _keys(cls).items() if field == name]


@functools.cache
def describe(cls: type[Options]) -> tuple[FieldDoc, ...]:
    """What there is to know of each option of *cls*, in the order of definition."""
    return tuple(_describe(field, type_hints(cls)[field.name]) for field in _fields(cls))


def summarise(cls: type) -> str:
    """What a plugin, or what its options stand for, is in a line: the first of its docstring."""
    return (cls.__doc__ or "").strip().partition("\n")[0].replace("``", "`")


def _describe(field: msgspec.structs.FieldInfo, hint: Any) -> FieldDoc:
    metas = [meta for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    extra: dict[str, Any] = {}
    for meta in metas:
        extra |= {key: value for key, value in (meta.extra or {}).items() if value}
    return FieldDoc(
        name=field.name,
        kind=extra.get("kind") or kind_of(hint),
        required=field.required,
        default=None if field.required else plain(_default(field)),
        dkron=extra.get("dkron", ""),
        description=next((meta.description for meta in reversed(metas) if meta.description), ""),
    )


def kind_of(hint: Any) -> str:
    """The name that people have for a type: ``text``, ``duration``, ``list of text``."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra and meta.extra.get("kind"):
            return str(meta.extra["kind"])
    if hasattr(hint, "__metadata__"):
        return kind_of(hint.__origin__)
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return ", ".join(map(str, arguments))
    if origin in (tuple, list):
        return f"list of {kind_of(arguments[0])}"
    if origin is dict:
        return f"table of {kind_of(arguments[1])}"
    if arguments:
        return " or ".join(dict.fromkeys(kind_of(choice) for choice in arguments if choice is not type(None)))
    return _KINDS.get(hint) or str(getattr(hint, "__name__", hint)).lower()


_KINDS: dict[Any, str] = {str: "text", bytes: "base64", int: "number", float: "number", Any: "JSON"}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def resolve_secrets(options: OptionsT, resolver: Callable[[Secret], str]) -> tuple[OptionsT, frozenset[str]]:
    """*options* with the value of every secret in it, and those values, which are to be masked.

    *resolver* gives the value for a reference; what it raises is passed on.
    """
    seen: set[str] = set()

    def resolved(value: Any) -> Any:
        if isinstance(value, Secret):
            text = resolver(value)
            seen.add(text)
            return text
        if isinstance(value, msgspec.Struct):
            filled = copy.copy(value)  # not a new one: what a secret holds is not to be read as an option
            for name in value.__struct_fields__:
                msgspec.structs.force_setattr(filled, name, resolved(getattr(value, name)))
            return filled
        if isinstance(value, Mapping):
            return {key: resolved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(resolved(item) for item in value)
        return value

    return resolved(options), frozenset(seen - {""})
