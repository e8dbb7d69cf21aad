"""Jobs to try a deployment with: one of each policy, each writing down itself when it begins and how it ends."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from dkronpy.job import Job, Run
from dkronpy.job.retry import Retry
from dkronpy.node import Target
from dkronpy.schedule import ScheduleSpec, at

PREFIX = "verify-"
SLOTS = 3
_SECOND = timedelta(seconds=1)
_MANY = 120
"""How many attempts stand for `as many as it takes`: a trial is shorter than that."""


def load(truth: Path, starts_at: datetime, expires_at: datetime, *, prefix: str = PREFIX) -> list[Job]:
    """The jobs of a trial, due between the two moments; their lines go to files in the folder *truth*.

    The schedule ends by itself, so that the definition in force is the same for every due time.
    """
    window = {"starts_at": starts_at, "expires_at": expires_at}

    def job(name: str, schedule: str | ScheduleSpec, command: str, **policies: object) -> Job:
        return Job(name=prefix + name, schedule=schedule, run=_shell(truth, command), **window, **policies)  # type: ignore[arg-type]

    minute = 60 * _SECOND
    kill: dict[str, object] = {"on_lease_loss": "kill"}
    share: dict[str, object] = {**kill, "start_deadline": 20 * _SECOND}
    return [
        job("tick", "* * * * * *", "ended ok", start_deadline=minute),
        job("all", "* * * * * *", "sleep 0.3; ended ok", catch_up="all", start_deadline=minute),
        job("careful", "*/2 * * * * *", "sleep 1.5; ended ok", concurrency="forbid"),
        job("patient", "*/5 * * * * *", "sleep 6; ended ok", concurrency="forbid", on_lease_loss="kill"),
        job(
            "again", "*/3 * * * * *", "sleep 1; ended ok", delivery="at_least_once",
            retry=Retry(_MANY, _SECOND), start_deadline=5 * minute,
        ),
        job("flaky", "*/3 * * * * *", 'test "$DKRONPY_ATTEMPT" -gt 1 || fails 3; ended ok', retry=Retry(2, _SECOND)),
        job("broken", "*/4 * * * * *", "fails 4"),
        job("slow", "*/6 * * * * *", "sleep 60; ended ok", timeout=2 * _SECOND),
        job("noisy", "*/10 * * * * *", "yes 0123456789 | head -c 3000000; ended ok", start_deadline=minute),
        job("family", "*/5 * * * * *", "(setsid sleep 30 &) ; sleep 30 & sleep 0.5; ended ok", start_deadline=minute),
        job("everywhere", "*/4 * * * * *", "ended ok", on=Target(), start_deadline=minute),
        job("queue", "*/3 * * * * *", "sleep 2; ended ok", concurrency="queue_one", start_deadline=minute, **kill),
        job("newest", "*/5 * * * * *", "sleep 7; ended ok", concurrency="terminate", start_deadline=minute, **kill),
        job("left", "*/2 * * * * *", "sleep 1.2; ended ok", pools={pool_of(prefix): 1}, **share),
        job("right", "*/3 * * * * *", "sleep 1.2; ended ok", pools={pool_of(prefix): 2}, priority=5, **share),
        job("once", at(starts_at + 7 * _SECOND), "ended ok", catch_up="all", start_deadline=minute),
        job("crowd", "*/10 * * * * *", "for i in $(seq 40); do setsid sleep 30 & done; sleep 0.3; ended ok"),
        job("nobody", "*/5 * * * * *", "ended ok", on=Target(tags={"x": "none"}, count=1), start_deadline=3 * _SECOND),
        Job(name=prefix + "follower", after=(prefix + "tick",), run=_shell(truth, "ended ok"), start_deadline=minute),
    ]  # fmt: skip


def pool_of(prefix: str) -> str:
    """The pool of :data:`SLOTS` slots that two of the jobs share, and that has to be there before them."""
    return f"{prefix}pool"


def plain_load(
    truth: Path,
    starts_at: datetime,
    expires_at: datetime,
    periods: Mapping[str, int],
    lengths: Mapping[str, float],
    *,
    prefix: str = PREFIX,
) -> list[Job]:
    """Jobs that differ only in their period and in how long they take, in seconds; what they miss is made up for."""
    return [
        Job(
            name=prefix + name, schedule=f"*/{period} * * * * *", run=_shell(truth, f"sleep {lengths[name]}; ended ok"),
            starts_at=starts_at, expires_at=expires_at, catch_up="all", start_deadline=60 * _SECOND,
        )
        for name, period in periods.items()
    ]  # fmt: skip


def _shell(truth: Path, command: str) -> Run:
    """The command with words to write a line: each line is one write, so lines of several processes do not mix."""
    place = shlex.quote(str(truth))
    words = (
        f'mark() {{ echo "$1 $DKRONPY_EXECUTION_ID $DKRONPY_FENCING_TOKEN $DKRONPY_NODE $(date +%s%N)"'
        f' >> {place}/"$DKRONPY_NODE"; }}; '
        'ended() { mark "$1"; exit 0; }; fails() { mark fail; exit "$1"; }; '
    )
    return Run("shell", {"command": f"{words} mark start; {command}", "shell": "true"})
