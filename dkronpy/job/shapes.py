"""Which JSON types the fields of a job have; what a value has to be like beyond that is for ``Job.check``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dkronpy.clock import ms_of_rfc3339
from dkronpy.errors import Problem
from dkronpy.job.notify import is_rules
from dkronpy.node import Target
from dkronpy.schedule.problems import did_you_mean

RETRY_KEYS = ("delay", "backoff", "cap", "jitter", "on", "elsewhere")
TARGET_KEYS = tuple(name for name in Target.__struct_fields__ if name != "tags")
MOST_FIGURE = 2**53
"""The highest counter: beyond it numbers in JSON are not exact everywhere, and the store's may overflow."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def type_problems(name: str, value: Any) -> list[Problem]:
    """What is wrong with the type of the value under the key *name*, and with the keys inside it."""
    if name in _SHAPES:
        wanted, fits = _SHAPES[name]
        if not fits(value):
            return [Problem(name, value, f"{wanted} is needed, not {json_type(value)}")]
    if isinstance(value, dict) and name in ("on", "retry"):
        keys = TARGET_KEYS if name == "on" else ("max", *RETRY_KEYS)
        hints = {"tags": "tags stand beside 'on', in 'tags'"}
        return [
            Problem(
                f"{name}.{key}",
                value[key],
                "there is no such field",
                hints.get(key) or did_you_mean(key, keys),
            )
            for key in value
            if key not in keys
        ]
    return []


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_text_table(value: Any) -> bool:
    return _is_table(value) and all(isinstance(one, str) for one in value.values())


def _is_tables(value: Any) -> bool:
    return _is_table(value) and all(map(_is_table, value.values()))


def _is_duration(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _is_target(value: Any) -> bool:
    return _is_table(value) and all(fits(value[key]) for key, fits in _TARGET_SHAPES.items() if key in value)


def _is_codes(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(one) or _is_count(one) for one in value)


def _is_retry(value: Any) -> bool:
    plain = {"on": _is_codes, "elsewhere": _is_truth, "jitter": _is_truth, "backoff": _is_text, "max": _is_count}
    return _is_count(value) or (
        _is_table(value) and all(fits(value[key]) for key, fits in plain.items() if key in value)
    )


def _is_figure(value: Any) -> bool:
    return _is_count(value) and value <= MOST_FIGURE


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or _RFC3339.fullmatch(value) is None:
        return False
    try:
        ms_of_rfc3339(value)
    except (ValueError, OverflowError):
        return False
    return True


_TARGET_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "count": _is_count, "nodes": _is_texts, "exclude": _is_texts, "where": _is_text, "strategy": _is_text,
    "rolling": _is_count, "make_up": _is_truth,
}  # fmt: skip
_TEXT: tuple[str, Callable[[Any], bool]] = ("text", _is_text)
_COUNT: tuple[str, Callable[[Any], bool]] = ("a whole number from 0 up", _is_count)
_TIME: tuple[str, Callable[[Any], bool]] = ("an RFC 3339 time", _is_time)
_SHAPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        ("name", "displayname", "timezone", "schedule", "owner", "owner_email", "parent_job", "concurrency",
         "concurrency_key", "rate",
         "executor", "status", "starts_at", "expires_at", "join", "catch_up", "delivery", "on_lease_loss",
         "gap", "overlap", "hash_rule", "off_day", "doc"),
        _TEXT,
    ),
    **dict.fromkeys(("max_active", "queue_limit"), _COUNT),
    **dict.fromkeys(("retries", "output_limit", "catch_up_limit"), _COUNT),
    **dict.fromkeys(("success_count", "error_count"), (f"a whole number from 0 to {MOST_FIGURE}", _is_figure)),
    **dict.fromkeys(("history_limit", "failure_limit"), _COUNT),
    "pause_after": _COUNT,
    **dict.fromkeys(("last_success", "last_error", "next"), _TIME),
    **dict.fromkeys(("disabled", "ephemeral"), ("true or false", _is_truth)),
    **dict.fromkeys(("tags", "metadata"), ("an object of texts", _is_text_table)),
    "priority": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "pools": (
        "a name, an array of names or an object of slots",
        lambda value: _is_text(value) or _is_texts(value) or (_is_table(value) and all(map(_is_count, value.values()))),
    ),
    "dependent_jobs": ("an array of texts", _is_texts),
    "executor_config": ("an object", _is_table),
    "processors": ("an object of objects", _is_tables),
    **dict.fromkeys(
        ("run_timeout",
         "timeout", "start_deadline", "catch_up_window", "deadline", "stale_after", "catch_up_spacing", "max_lateness",
         "retention", "failure_retention", "spread", "spread_by"),
        ("a duration", _is_duration),
    ),
    "calendar": ("a name or an object", lambda value: _is_text(value) or _is_table(value)),
    "params": ("an object", _is_table),
    "notify": ("a list of channels and rules", is_rules),
    "after": (
        "a name, an array of names or an object of conditions",
        lambda value: _is_text(value) or _is_texts(value) or _is_text_table(value),
    ),
    "when": ("a condition or an object of conditions", lambda value: _is_text(value) or _is_text_table(value)),
    "retry": ("a number or an object", _is_retry),
    "on": ("an object with count, nodes, exclude, where, strategy, rolling or make_up", _is_target),
}  # fmt: skip


def json_type(value: Any) -> str:
    """What a JSON value is, as people say it, with the value itself."""
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else f"{names.get(type(value), type(value).__name__)} ({str(value)[:40]})"
