"""How one value of an option is read, Dkron's strings and typed values alike, and written as JSON."""

from __future__ import annotations

import base64
import difflib
import functools
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Union

import msgspec

from dkronpy.secret import Secret

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_UNITS = {"B": 0, "BYTES": 0, "K": 1, "KB": 1, "M": 2, "MB": 2, "G": 3, "GB": 3, "T": 4, "TB": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_SHOWN = 60


class Rejected(ValueError):  # noqa: N818 - it reads "raise Rejected", and never leaves this package
    """A value that cannot be used: what is wrong with it, and perhaps what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def shown(value: Any) -> str:
    """*value* as an error message quotes it: on one line, and not endless."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean 'x'?`` when one of *choices* is near *word*, else nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]!r}?" if near else ""


def read_bool(value: Any) -> bool:
    """A truth value as Go's ``ParseBool`` reads it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE | _FALSE:
        return value in _TRUE
    raise Rejected(f"{shown(value)} is not a truth value; accepted: true or false (also t, f, 1, 0)")


def read_int(value: Any) -> int:
    """A whole number, or the decimal digits of one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip(), re.ASCII):
        return int(value)
    raise Rejected(f"{shown(value)} is not a whole number")


def read_float(value: Any) -> float:
    """A finite number, or the text of one."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number - number != 0:
        raise Rejected(f"{shown(value)} is not a number")
    return number


def read_text(value: Any) -> str:
    """Text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise Rejected(f"{shown(value)} is not text", "put it in quotes" if isinstance(value, (int, float)) else "")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Rejected(f"{shown(value)} holds a lone surrogate, which is not text") from None
    return value


def read_bytes(value: Any) -> bytes:
    """Bytes, or base64 of them."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise Rejected(f"{shown(value)} is neither bytes nor base64 text")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except ValueError as error:
        raise Rejected(f"{shown(value)} is not base64: {error}") from None


def read_duration(value: Any) -> timedelta:
    """A duration: ``timedelta``, ``"1h30m"``, or a number of seconds."""
    from dkronpy.schedule.durations import DurationError, parse_duration

    try:
        return parse_duration(value, field="")
    except DurationError as error:
        raise Rejected(str(error).removeprefix(": "), error.hint) from None


def read_size(value: Any) -> int:
    """A size in bytes: a whole number, or a number with a 1024-based unit. The texts are Dkron's."""
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Rejected(f"invalid memory limit format: {shown(value)}", "write 512MB or 1.5GB")
    size = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else _read_sized(text)
    if size <= 0:
        raise Rejected("memory limit must be greater than 0", "write 512MB or 1.5GB")
    return size


def _read_sized(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Rejected(f"invalid memory limit format: {text}", "write 512MB or 1.5GB")
    number, unit = match.groups()
    if unit.upper() not in _UNITS:
        raise Rejected(f"unsupported memory unit: {unit.upper()} (supported: B, KB, MB, GB, TB)")
    try:
        return int(Decimal(number) * 1024 ** _UNITS[unit.upper()])
    except (InvalidOperation, OverflowError):
        raise Rejected(f"invalid memory limit format: {text}") from None


def _typed(reader: Callable[[Any], Any], kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


Text = str | Secret
"""Text, or a reference to a secret that is resolved on the node."""
Duration = Annotated[timedelta | str | int | float, _typed(read_duration, "duration")]
"""``timedelta``, ``"1h30m"`` or seconds; a ``timedelta`` once it has been read."""
Size = Annotated[int | str, _typed(read_size, "size")]
"""Bytes, or ``"512MB"``; an ``int`` once it has been read."""


def as_timedelta(value: Duration | None) -> timedelta | None:
    """The ``timedelta`` of an option that has been read; None and zero mean that there is no limit."""
    duration = None if value is None else read_duration(value)
    return duration or None


def as_secret(value: Any) -> Any:
    """A ``Secret`` for one, or for its JSON form ``{"secret": name}``; anything else as it is."""
    if isinstance(value, Mapping) and set(value) == {"secret"} and isinstance(value["secret"], str):
        return Secret(value["secret"])
    return value


def read(value: Any, hint: Any) -> Any:
    """*value* as an instance of the type *hint*. Reading what was read changes nothing.

    Raises Rejected with one line that says what is wrong.
    """
    origin = typing.get_origin(hint)
    if origin is Annotated:
        for meta in reversed(hint.__metadata__):
            if isinstance(meta, msgspec.Meta) and meta.extra and "read" in meta.extra:
                return meta.extra["read"](value)
        return read(value, hint.__origin__)
    if origin in (Union, types.UnionType):
        return _read_union(value, typing.get_args(hint))
    if origin is Literal:
        return _read_choice(value, typing.get_args(hint))
    if origin in (tuple, list):
        return tuple(read(item, typing.get_args(hint)[0]) for item in _items(value))
    if origin is dict:
        key, item = typing.get_args(hint)
        return {read(k, key): read(v, item) for k, v in _mapping(value).items()}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _read_struct(value, hint)
    if reader := _READERS.get(hint):
        return reader(value)
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        raise Rejected(str(error)) from None


def _read_union(value: Any, choices: tuple[Any, ...]) -> Any:
    if value is None and type(None) in choices:
        return None
    found = as_secret(value)
    if isinstance(found, Secret):
        if Secret in choices:
            return found
        raise Rejected("a secret cannot be used here")
    rejections = []
    for choice in choices:
        if choice not in (type(None), Secret):
            try:
                return read(value, choice)
            except Rejected as error:
                rejections.append(error)
    if len(rejections) == 1:
        raise rejections[0]
    raise Rejected("; ".join(dict.fromkeys(error.message for error in rejections)))


def _read_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if value in choices:
        return value
    accepted = ", ".join(map(str, choices))
    raise Rejected(f"{shown(value)} is not one of {accepted}", did_you_mean(str(value), map(str, choices)))


def _items(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            return list(_json(text, list))
        return [part.strip() for part in text.split(",")] if text else []
    raise Rejected(f"{shown(value)} is not a list")


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and value.strip().startswith("{"):
        value = _json(value, dict)
    if not isinstance(value, Mapping):
        raise Rejected(f"{shown(value)} is not a table of names and values")
    return value


def _json(text: str, expected: type) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{shown(text)} is not JSON: {error}") from None
    if not isinstance(value, expected):
        raise Rejected(f"{shown(text)} is not a JSON {'array' if expected is list else 'object'}")
    return value


def _read_struct(value: Any, kind: type[msgspec.Struct]) -> Any:
    if isinstance(value, kind):
        return value
    table = dict(_mapping(value))
    config = kind.__struct_config__
    if config.tag_field is not None and table.pop(config.tag_field, None) != config.tag:
        raise Rejected(f'a table with "{config.tag_field}": "{config.tag}" would be accepted')
    hints = type_hints(kind)
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    if wrong := (set(table) - set(hints)) | (required - set(table)):
        raise Rejected(f"{config.tag}: unknown or missing: {', '.join(sorted(wrong))}; it has {', '.join(hints)}")
    return kind(**{name: read(item, hints[name]) for name, item in table.items()})


def read_json(value: Any) -> Any:
    """Any JSON value, with the references to secrets in it."""
    value = as_secret(value)
    if value is None or isinstance(value, (bool, Secret)):
        return value
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return read_float(value)
    if isinstance(value, (list, tuple)):
        return [read_json(item) for item in value]
    if isinstance(value, Mapping):
        return {read_text(key): read_json(item) for key, item in value.items()}
    raise Rejected(f"{shown(value)} ({type(value).__name__}) is not a JSON value")


@functools.cache
def type_hints(kind: type) -> dict[str, Any]:
    """The annotations of a struct's fields, resolved once."""
    names = {field.name for field in msgspec.structs.fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: hint for name, hint in hints.items() if name in names}


_READERS: dict[Any, Callable[[Any], Any]] = {
    bool: read_bool,
    int: read_int,
    float: read_float,
    str: read_text,
    bytes: read_bytes,
    timedelta: read_duration,
    Any: read_json,
}


def plain(value: Any) -> Any:
    """*value* as JSON has it, so that ``read`` gives the same back."""
    if type(value) in (str, bool, int):  # nearly all of them
        return value
    if isinstance(value, timedelta):
        from dkronpy.schedule.durations import format_duration

        return format_duration(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field is not None else {}
        return {**tag, **{name: plain(getattr(value, name)) for name in value.__struct_fields__}}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value
