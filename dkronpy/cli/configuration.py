"""A configuration as the command line loads it, and who owns its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dkronpy.cli.failure import say

if TYPE_CHECKING:
    from dkronpy.cli.session import Session
    from dkronpy.config import LoadedConfig
    from dkronpy.errors import Problem
    from dkronpy.fleet.plan import FleetPlan
    from dkronpy.fleet.warnings import Doubt
    from dkronpy.job import Job
    from dkronpy.store.stored import StoredJob


def load(place: str, stored: Sequence[StoredJob] = ()) -> tuple[LoadedConfig, float]:
    """A configuration and how many milliseconds loading took; what is *stored* just so is not checked again."""
    from dkronpy.config import load_jobs

    began = time.perf_counter()
    loaded = load_jobs(place, stored=[one.job for one in stored])
    return loaded, (time.perf_counter() - began) * 1000


def load_beside(session: Session, place: str) -> tuple[LoadedConfig, float, Sequence[StoredJob]]:
    """A configuration, how long loading took, and what is stored.

    Raises what keeps the store from answering, unless the configuration has problems: those are known without it.
    """
    from dkronpy.errors import DkronpyError

    try:
        stored: Sequence[StoredJob] = session.client.stored_jobs()
    except DkronpyError:
        loaded, took_ms = load(place)
        if not loaded.problems:
            raise
        return loaded, took_ms, ()
    return *load(place, stored), stored


def refuse_problems(loaded: LoadedConfig, place: str, consequence: str) -> bool:
    """Say every problem, and what follows from there being any; whether there is one."""
    for problem in loaded.problems:
        say(str(problem))
    if loaded.problems:
        say(f"error: {counted(len(loaded.problems), 'problem')} in {place}; {consequence}")
    return bool(loaded.problems)


def lacking(session: Session, plan: FleetPlan) -> list[Doubt]:
    """What the planned jobs need and the deployment has not: pools, and channels to tell people by."""
    from dkronpy.fleet import warnings

    written = [row.new for row in plan.those("added", "changed") if row.new is not None]
    pools = {pool.name: pool.slots for pool in session.client.pools.all()} if any(job.pools for job in written) else {}
    return warnings.lacking(plan, pools, unknown_channels(session, written))


def unknown_channels(session: Session, jobs: Sequence[Job]) -> Callable[[Job], Sequence[Problem]]:
    """What tells of the channels that a job names and that are none; by way of a server they are not known here."""
    if session.loaded[0].api_url or not any(job.notify for job in jobs):
        return lambda _job: ()
    from dkronpy.notices.channel import Channels, unknown_to

    channels = Channels(session.loaded[0])
    return lambda job: unknown_to(channels, job)


def source_name(place: str) -> str:
    """Who owns the jobs of a configuration: the name of its folder, or of the file or module."""
    path = Path(place)
    if path.is_file() and path.parent.resolve().name:
        return path.parent.resolve().name
    return path.resolve().name if path.exists() else place


def summary(loaded: LoadedConfig) -> str:
    """``11 jobs in 1 file``."""
    return f"{counted(len(loaded.jobs), 'job')} in {counted(len(loaded.files), 'file')}"


def counted(number: int, word: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
