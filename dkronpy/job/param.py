"""Parameters of a job: what a run may be given, of which type, and what it gets where nobody says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dkronpy.errors import InvalidError, Problem
from dkronpy.schedule.problems import did_you_mean

if TYPE_CHECKING:
    from dkronpy.job.job import Job

Type = Literal["text", "integer", "number", "boolean"]
TYPES: tuple[Type, ...] = ("text", "integer", "number", "boolean")
NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
LONGEST = 10_000
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
Value = str | int | float | bool


class Param(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter: ``Param(type="integer", default=7, minimum=1, maximum=90)``.

    Without a ``default`` every run has to be given a value, so that no schedule can start it. ``choices`` are the only
    values; ``pattern`` is a regular expression for the whole text; ``minimum`` and ``maximum`` bound numbers.
    """

    type: Type = "text"
    default: Value | None = None
    choices: tuple[Value, ...] = ()
    pattern: str = ""
    minimum: float | None = None
    maximum: float | None = None
    doc: str = ""

    def read(self, value: Any) -> Value:
        """*value*, typed or as text, as a value of this parameter. Raises ValueError, in words."""
        read: Value = _READERS[self.type](value)
        if self.choices and read not in self.choices:
            raise ValueError(f"{read!r} is not one of {', '.join(map(str, self.choices))}")
        if self.pattern and not re.fullmatch(self.pattern, str(read)):
            raise ValueError(f"{read!r} does not match {self.pattern}")
        if self.minimum is not None and isinstance(read, (int, float)) and read < self.minimum:
            raise ValueError(f"{read!r} is less than {self.minimum:g}")
        if self.maximum is not None and isinstance(read, (int, float)) and read > self.maximum:
            raise ValueError(f"{read!r} is more than {self.maximum:g}")
        return read

    def problems(self) -> Iterator[str]:
        """What is wrong with it."""
        if self.type not in TYPES:
            yield f"type {self.type!r} is not one of {', '.join(TYPES)}"
            return
        try:
            re.compile(self.pattern)
        except (re.error, TypeError):
            yield f"pattern {self.pattern!r} is no regular expression"
            return
        for name, values in (("default", () if self.default is None else (self.default,)), ("choices", self.choices)):
            for value in values:
                try:
                    msgspec.structs.replace(self, choices=()).read(value) if name == "choices" else self.read(value)
                except ValueError as error:
                    yield f"{name}: {error}"


def values_of(params: Mapping[str, Param], given: Mapping[str, Any], *, job: str) -> dict[str, Value]:
    """What a run of *job* gets: the values it was given, read, and the defaults of the others.

    Raises InvalidError with everything that is wrong: unknown names, values that do not fit, values that are missing.
    """
    problems, found = [], {}
    for name, value in given.items():
        if name not in params:
            message = f"there is no parameter {name!r}; known: {', '.join(params) or 'it takes none'}"
            problems.append(Problem(f"params.{name}", value, message, did_you_mean(name, params)))
    for name, param in params.items():
        if name in given:
            try:
                found[name] = param.read(given[name])
            except ValueError as error:
                problems.append(Problem(f"params.{name}", given[name], str(error)))
        elif param.default is not None:
            found[name] = param.default
        else:
            problems.append(Problem(f"params.{name}", None, "a value is needed", f"--param {name}=VALUE"))
    if problems:
        raise InvalidError(job, problems)
    return found


def given_params(job: Job, given: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, str], str]:
    """What a run was given, read; the extra fields that carry it; and the words that say so.

    Raises InvalidError, as ``values_of`` does.
    """
    values = {name: value for name, value in values_of(job.params, given, job=job.name).items() if name in given}
    if not values:
        return {}, {}, ""
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    return values, {"params": msgspec.json.encode(values).decode()}, f"with {said}"[:500]


def carried_params(job: Job, extra: Mapping[str, str]) -> dict[str, Value]:
    """The values of a run, from its extra fields and the defaults of the definition that it runs under."""
    return values_of(job.params, msgspec.json.decode(extra.get("params") or "{}"), job=job.name)


def read_params(value: Any) -> Any:
    """What people write for ``params``: parameters, tables with their fields, or plain defaults."""
    if not isinstance(value, Mapping):
        return {} if value is None else value
    return {name: _param(one) for name, one in value.items()}


def _param(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) <= set(Param.__struct_fields__):
        fields = dict(value)
        if isinstance(fields.get("choices"), list):
            fields["choices"] = tuple(fields["choices"])
        return Param(**fields)
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "text")):
        if isinstance(value, kind):
            return Param(type=name, default=value)  # type: ignore[arg-type]
    return value


def params_problems(params: Any, *, scheduled: bool) -> Iterator[Problem]:
    """What is wrong with a job's ``params``; *scheduled* where nobody is there to give values."""
    if not isinstance(params, Mapping):
        yield Problem("params", params, f"{params!r} does not map names to parameters", "write params={'days': 7}")
        return
    for name, param in params.items():
        field = f"params.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            yield Problem("params", name, f"{name!r} is no name: lower-case letters, digits and '_' are accepted")
        elif not isinstance(param, Param):
            message = f"{param!r} is neither a parameter nor a default"
            yield Problem(field, param, message, "write Param(...) or a plain value")
        else:
            yield from (Problem(field, param.default, message) for message in param.problems())
            if scheduled and param.default is None:
                hint = "give it a default, or make the job one that is only started by hand"
                yield Problem(field, None, "a run by schedule would have no value for it", hint)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004 - as for every value that does not fit
    if len(value) > LONGEST:
        raise ValueError(f"it has {len(value)} characters; {LONGEST} are enough")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip(), re.ASCII):
        return int(value)
    raise ValueError(f"{value!r} is not a whole number")


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f"{value!r} is neither true nor false")


_READERS: Mapping[str, Any] = {"text": _text, "integer": _integer, "number": _number, "boolean": _boolean}
