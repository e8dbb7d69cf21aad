"""A chain: the runs that follow from one another. They share the part of their ids behind the ``@``, the tail.

A run by hand, or a due time, starts a chain; each job that follows has its run under the same tail. A part of a chain
that is run again has ``-r1`` behind its tail, then ``-r2``; what was not run again is looked for under earlier tails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from dkronpy.execution import Run
from dkronpy.job.job import Job

Outcome = Literal["success", "failure", "skipped"]
ON_PURPOSE = frozenset({"overlap", "misfire_late", "misfire_collapsed", "paused", "parent_failed"})
"""Reasons under which a run is skipped that are no failure: nobody expected it to take place after all."""
_AGAIN = re.compile(r"-r(\d+)$", re.ASCII)


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a job whose parents have ended so far.

    It has to ``wait``, or ``run``, or it was wanted and is skipped (``skip``), or nobody needs it (``none``).
    """

    what: Literal["wait", "run", "skip", "none"]
    message: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A job in a chain, its run there if it has one yet, and how far down it is (0: nobody of the chain before it)."""

    job: str
    run: Run | None
    parents: tuple[str, ...]
    depth: int


def tail_of(run_id: str) -> str:
    """The tail of a run's id: what it shares with the runs of its chain."""
    return run_id.partition("@")[2]


def suffix_of(tail: str) -> str:
    """What stands behind the due time in a tail."""
    return tail.partition("Z")[2].lstrip("-")


def tail_again(tail: str) -> str:
    """The tail of the next try of a part of a chain."""
    match = _AGAIN.search(tail)
    return f"{tail}-r1" if match is None else f"{tail[: match.start()]}-r{int(match[1]) + 1}"


def tails(tail: str) -> Iterator[str]:
    """*tail* and those of the earlier tries of the same chain, the latest first."""
    match = _AGAIN.search(tail)
    if match is not None:
        for number in range(int(match[1]), 0, -1):
            yield f"{tail[: match.start()]}-r{number}"
        tail = tail[: match.start()]
    yield tail


def outcome_of(run: Run) -> Outcome:
    """How an ended run counts for those who follow. What should have run and did not has failed."""
    if run.state == "success":
        return "success"
    return "skipped" if run.state == "skipped" and run.reason in ON_PURPOSE else "failure"


def decide(job: Job, runs: Mapping[str, Run | None]) -> Decision:
    """What becomes of *job* in a chain with these runs of its parents (None: there is none yet)."""
    ended = {parent: run for parent in job.after if (run := runs.get(parent)) is not None and run.terminal}
    wanted = [parent for parent, run in ended.items() if _satisfied(job, parent, run)]
    if job.join == "any":
        if wanted:
            return Decision("run")
        unwanted = list(ended) if len(ended) == len(job.after) else []
    else:
        unwanted = [parent for parent in ended if parent not in wanted]
        if len(wanted) == len(job.after):
            return Decision("run")
    if not unwanted:
        return Decision("wait")
    if all(outcome_of(ended[parent]) == "success" for parent in unwanted):
        return Decision("none")  # it was there for a failure
    return Decision("skip", "; ".join(_said(job, parent, ended[parent]) for parent in unwanted))


def _satisfied(job: Job, parent: str, run: Run) -> bool:
    condition = job.condition(parent)
    return condition == "always" or condition == outcome_of(run)


def _said(job: Job, parent: str, run: Run) -> str:
    because = f" ({run.reason})" if run.reason else ""
    return f"{parent} ended as {run.state}{because}, and {job.condition(parent)} was wanted"


def links(jobs: Mapping[str, Job], find: Callable[[str], Run | None], start: str) -> list[Link]:
    """The chain that *start* belongs to: every job before and behind it, parents before children.

    *find* gives the run of a job in this chain. A job before it that has no run there is no part of it.
    """
    runs: dict[str, Run | None] = {}

    def run_of(name: str) -> Run | None:
        if name not in runs:
            runs[name] = find(name)
        return runs[name]

    members, wave = {start}, [start]
    while wave:  # upwards as far as there are runs, downwards as far as there are jobs
        name = wave.pop()
        above = [parent for parent in (jobs[name].after if name in jobs else ()) if run_of(parent) is not None]
        below = [child for child, job in jobs.items() if name in job.after]
        fresh = [one for one in (*above, *below) if one not in members]
        members.update(fresh)
        wave += fresh
    return _in_order(jobs, members, run_of)


def _in_order(jobs: Mapping[str, Job], members: set[str], run_of: Callable[[str], Run | None]) -> list[Link]:
    depths: dict[str, int] = {}

    def depth(name: str, path: tuple[str, ...] = ()) -> int:
        if name not in depths:
            parents = [one for one in _parents(jobs, name, members) if one not in path]
            depths[name] = 1 + max((depth(one, (*path, name)) for one in parents), default=-1)
        return depths[name]

    ordered = sorted(members, key=lambda name: (depth(name), name))
    return [
        Link(job=name, run=run_of(name), parents=_parents(jobs, name, members), depth=depth(name)) for name in ordered
    ]


def _parents(jobs: Mapping[str, Job], name: str, members: set[str]) -> tuple[str, ...]:
    return tuple(parent for parent in (jobs[name].after if name in jobs else ()) if parent in members)


def failed_first(chain: Sequence[Link]) -> list[str]:
    """The jobs to run again: those that failed, without those that only follow from one that did."""
    failed = {link.job for link in chain if link.run is not None and link.run.terminal and _is_failed(link.run)}
    behind: set[str] = set()
    for link in chain:  # parents come first
        if set(link.parents) & (failed | behind):
            behind.add(link.job)
    return [link.job for link in chain if link.job in failed - behind]


def _is_failed(run: Run) -> bool:
    return outcome_of(run) == "failure"
