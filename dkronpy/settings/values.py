"""Values of settings as files and the environment give them, and the types that they become."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from dkronpy.schedule.durations import DurationError, parse_duration
from dkronpy.schedule.problems import did_you_mean
from dkronpy.settings.redis_url import SCHEMES, scheme_of

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_MAY_BE_ZERO = frozenset(
    {
        "kill_grace",
        "stop_grace",
        "celery_results",
        "health_port",
        "http_port",
        "notify_wait",
        "notify_interval",
        "mail_port",
        "store_replicas",
    }
)


class BadValueError(ValueError):
    """A value that a setting cannot have."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses, separated by commas. Raises ValueError that names the one that is neither."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def words(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def is_redis(url: str) -> bool:
    """Whether the URL names a Redis or a Valkey."""
    return "://" in url and scheme_of(url) in SCHEMES


def read_value(name: str, value: Any, wanted: Any) -> Any:
    """``value`` as the type ``wanted``; text is read as people write it in the environment.

    Raises BadValueError with the value seen and what is accepted.
    """
    if wanted is timedelta:
        return _duration(name, value)
    if wanted is bool:
        return _truth(value)
    if wanted is int:
        return _number(name, value)
    if wanted is str:
        return _text(value)
    if wanted == dict[str, str]:
        return _tags(value)
    if wanted == dict[str, Any]:
        return _table(value)
    choices = get_args(wanted)
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    raise BadValueError(f"{value!r} is not one of {', '.join(choices)}", did_you_mean(str(value), choices))


def _duration(name: str, value: Any) -> timedelta:
    try:
        duration = parse_duration(value, field=name)
    except DurationError as error:
        raise BadValueError(str(error).removeprefix(f"{name}: "), error.hint) from None
    if not duration and name not in _MAY_BE_ZERO:
        raise BadValueError("a duration above zero is needed")
    return duration


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise BadValueError(f"{value!r} is neither true nor false; accepted: true, false, 1, 0, yes, no, on, off")


def _number(name: str, value: Any) -> int:
    least = 0 if name in _MAY_BE_ZERO else 1
    text = str(value).strip().replace("_", "")
    if isinstance(value, (int, str)) and not isinstance(value, bool) and text.isdecimal() and int(text) >= least:
        return int(text)
    raise BadValueError(f"{value!r} is not a whole number from {least} up")


def _text(value: Any) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    raise BadValueError(f"{value!r} is not text")


def _tags(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not (tag.strip() and equals) for tag, equals, _ in pairs):
            raise BadValueError(f"{value!r} is not tag=value,tag=value")
        return {tag.strip(): content.strip() for tag, _, content in pairs}
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return dict(value)
    raise BadValueError(f"{value!r} is not a mapping of tags to texts", 'write {"role": "web"}')


def _table(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadValueError(f"it is not JSON: {error}", 'write {"ops": {"notifier": "slack", ...}}') from None
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    raise BadValueError(f"{type(value).__name__} is not a table of names")
