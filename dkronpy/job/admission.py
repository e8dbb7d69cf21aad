"""What a run has to pass before it may start: the limit of its job, pools that jobs share, and a rate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import msgspec

from dkronpy.schedule.durations import DurationError, parse_duration

Concurrency = Literal["allow", "forbid", "queue_one", "queue_all", "cancel", "terminate", ""]
POLICIES = ("allow", "forbid", "queue_one", "queue_all", "cancel", "terminate")
QUEUE_LIMIT = 100
"""How many runs of a job wait for it with ``queue_all``, unless it says otherwise."""
HIGHEST_PRIORITY = 100
LONGEST_KEY = 200
LONGEST_WAIT_MS = 24 * 3600 * 1000
"""How long a run waits behind others of its job that has no start deadline."""
ACCEPTED_RATE = "as in '100/m', '5/s', '10/15m'"
_RATE = re.compile(r"(\d{1,6})\s*/\s*(\S+)", re.ASCII)
_MILLISECOND = timedelta(milliseconds=1)


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``count`` starts in any span of ``per``."""

    count: int
    per: timedelta


def read_rate(text: str) -> Rate:
    """The rate that *text* stands for: ``100/m``. Raises ValueError with what is wrong."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a rate")
    try:
        per = parse_duration(match[2] if match[2][:1].isdigit() else "1" + match[2])
    except DurationError:
        raise ValueError(f"{match[2]!r} is not a span of time") from None
    if int(match[1]) < 1 or per <= timedelta(0):
        raise ValueError(f"{text!r} would never let a run start")
    if int(match[1]) > 10_000 or per > timedelta(days=7):
        raise ValueError(f"{text!r} is more than 10,000, or over more than a week")
    return Rate(count=int(match[1]), per=per)


def gate(
    *,
    policy: str,
    max_active: int,
    key: str,
    queue_limit: int,
    pools: Mapping[str, int],
    rate: str,
    priority: int,
    limit_ms: int,
    window_ms: int,
    rechoose: bool,
) -> dict[str, Any]:
    """What a run has to pass, as ``gate.lua`` reads it; empty where there is nothing.

    The run waits until *limit_ms*; once it is let in, it has *window_ms* to be started, and with *rechoose*
    its node is chosen then.
    """
    found: dict[str, Any] = {}
    if policy != "allow":
        found["max"] = max_active
        found["policy"] = policy
        most = {"queue_one": 1, "queue_all": queue_limit}.get(policy)
        if most is not None:
            found["most"] = most
    if pools:
        found["pools"] = [[name, slots] for name, slots in sorted(pools.items())]
    if rate:
        read = read_rate(rate)
        found |= {"rate": read.count, "per": read.per // _MILLISECOND}
    if not found:
        return {}
    return found | {"key": key, "rank": priority, "limit_ms": limit_ms, "window": window_ms, "rechoose": rechoose}
