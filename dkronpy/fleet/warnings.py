"""What about a plan deserves a second look before it is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import Problem
from dkronpy.fleet.plan import FleetPlan
from dkronpy.job import Job
from dkronpy.node import Node
from dkronpy.schedule import Schedule
from dkronpy.schedule.clock_changes import dst_notes
from dkronpy.store.stored import parsed

MONTHS = 12
LOOKED_AT = 30
"""So many due times are looked at for the shortest period."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about one job."""

    job: str
    message: str


def lacking(plan: FleetPlan, pools: Mapping[str, int], unknown: Callable[[Job], Sequence[Problem]]) -> list[Doubt]:
    """What the jobs that the plan adds or changes need and the deployment has not: *pools* by name, with their sizes,
    and channels, of which *unknown* names a job's that are none.
    """
    found = []
    for row in plan.those("added", "changed"):
        if row.new is not None:
            said = (*_held(row.new, pools), *(f"{one.message} {one.hint}".strip() for one in unknown(row.new)))
            found += [Doubt(job=row.name, message=message) for message in said]
    return found


def _held(job: Job, pools: Mapping[str, int]) -> Iterator[str]:
    """Whether it will ever get the slots that it wants."""
    for name, slots in job.pools.items():
        if name not in pools:
            yield f"there is no pool {name!r}, so its runs would wait; `dkronpy pool set {name} {slots}` makes it"
        elif pools[name] < slots:
            yield f"pool {name!r} has {pools[name]} slots and it wants {slots}, so its runs would wait for ever"


def warnings(plan: FleetPlan, nodes: Sequence[Node], usual_ms: Callable[[str], int | None], now_ms: int) -> list[Doubt]:
    """Look at what the plan adds or changes; *usual_ms* is the usual run time of a job that has run before."""
    found = []
    for row in plan.those("added", "changed"):
        job = row.new
        if job is None or not job.enabled:
            continue
        schedule = parsed(job, row.old.anchor_ms if row.old else now_ms) if job.schedule and not job.after else None
        usual = usual_ms(row.moved or job.name) if row.old is not None and schedule is not None else None
        said = (*_placed(job, nodes), *_paced(job, schedule, usual, now_ms), *_clocks(schedule, now_ms))
        found += [Doubt(job=job.name, message=message) for message in said]
    for row in plan.those("removed"):
        followers = [one.name for one in plan.jobs if one.new is not None and row.name in one.new.after]
        if followers:
            found.append(Doubt(job=row.name, message=f"{', '.join(followers)} would follow a job that is gone"))
    return found


def _placed(job: Job, nodes: Sequence[Node]) -> Iterator[str]:
    """Whether a live node matches, and can run it."""
    if not nodes:
        return
    fitting = job.on.matching(nodes)
    if not fitting:
        yield "no live node matches its targets"
    elif not any(not node.executors or job.executor in node.executors for node in fitting):
        yield f"no node that matches has the executor {job.executor}"


def _paced(job: Job, schedule: Schedule | None, usual: int | None, now_ms: int) -> Iterator[str]:
    """Whether it is done, or ended, before it is due again."""
    shortest = None if schedule is None else _shortest(schedule, now_ms)
    if shortest is None:
        return
    if usual is not None and usual > shortest:
        yield f"it usually takes {_seconds(usual)} and is due every {_seconds(shortest)}"
        return
    timeout = None if job.timeout is None else job.timeout // timedelta(milliseconds=1)
    if timeout is not None and timeout > shortest and not job.forbids_overlap:
        yield f"its timeout is {_seconds(timeout)}, and it is due every {_seconds(shortest)}"


def _shortest(schedule: Schedule, now_ms: int) -> int | None:
    """The shortest time between two of the next due times."""
    due: list[int] = []
    ms = now_ms
    while len(due) < LOOKED_AT and (following := schedule.next_ms(ms)) is not None:
        ms = following
        due.append(ms)
    return min((later - earlier for earlier, later in pairwise(due)), default=None)


def _clocks(schedule: Schedule | None, now_ms: int) -> Iterator[str]:
    """The dates of the next year on which a clock change matters to it."""
    if schedule is not None:
        for day, note in dst_notes(schedule, from_ms(now_ms), MONTHS)[:2]:
            yield f"{day:%a %d %b %Y}: {note}"


def _seconds(ms: int) -> str:
    for size, unit in ((3_600_000, "h"), (60_000, "min")):
        if ms >= 2 * size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms / 1000:g} s"
