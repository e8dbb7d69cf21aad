"""What can only be checked with plugins or other jobs at hand: executor options, duplicates, parents,
cycles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dkronpy.errors import InvalidError, PluginError, Problem
from dkronpy.job import Job, Run
from dkronpy.plugins.options import PREFIX, Options
from dkronpy.plugins.registry import options_type
from dkronpy.plugins.template import has_templates, key_problems, render_options, sample_facts
from dkronpy.schedule.problems import did_you_mean


def check_executor(job: Job) -> list[Problem]:
    """Every problem of what *job* runs: an executor that does not exist, options that it would refuse."""
    if not isinstance(job.run, (Run, Options)):
        return [Problem("run", job.run, f"{job.run!r} is nothing that can be run", "run=Shell('...'), for one")]
    if not job.executor:
        return [Problem("run", "", "the job has nothing to run", "run=Shell('...'), for one")]
    if isinstance(job.run, Options) and not has_templates(job.run):
        return job.run.problems()
    try:
        kind = type(job.run) if isinstance(job.run, Options) else options_type(job.executor)
        render_options(kind, job.executor_config, sample_facts(job), job=job.name)
    except PluginError as error:
        return [Problem("executor", job.executor, str(error), error.hint)]
    except InvalidError as error:
        return list(error.problems)
    return []


def check_processors(job: Job) -> Iterator[Problem]:
    """Every problem of what *job* does with its output, named as ``processors.<name>.<option>``."""
    for name, config in job.processors.items() if isinstance(job.processors, Mapping) else ():
        if not isinstance(config, Mapping):
            continue  # the job's own rules name that
        field = f"processors.{name}"
        try:
            render_options(options_type(name, "processor"), config, sample_facts(job), job=job.name)
        except PluginError as error:
            yield Problem(field, config, str(error), error.hint)
        except InvalidError as error:
            for problem in error.problems:
                yield replace(problem, field=f"{field}.{problem.field.removeprefix(PREFIX)}")


def full_check(job: Job) -> list[Problem]:
    """Everything that is wrong with *job* by itself, the options of its executor and its processors included."""
    return [*job.check(), *check_executor(job), *check_processors(job), *key_problems(job)]


def duplicates(jobs: Sequence[Job]) -> Iterator[tuple[int, int]]:
    """The index of every job whose name an earlier one has, with the index of the first of that name."""
    first: dict[str, int] = {}
    for index, job in enumerate(jobs):
        if job.name and first.setdefault(job.name, index) != index:
            yield index, first[job.name]


def unknown_parents(jobs: Iterable[Job], others: Iterable[str] = ()) -> Iterator[tuple[int, Problem]]:
    """The index of every job that follows one that does not exist; *others* are names that exist
    elsewhere.
    """
    jobs = list(jobs)
    names = {job.name for job in jobs} | set(others)
    for index, job in enumerate(jobs):
        for parent in job.after:
            if isinstance(parent, str) and parent not in names:
                hint = did_you_mean(parent, names)
                yield index, Problem("after", parent, f"no job named {parent!r}", hint)


def moved_problem(old: Any, new: Any, names: Collection[str], others: Iterable[tuple[Any, Any]]) -> Problem | None:
    """What is wrong with ``moved(old, new)`` where *names* are configured and *others* are moved as well."""
    for name in (old, new):
        if not isinstance(name, str) or not name:
            return Problem("moved", name, f"{name!r} is no name of a job", "moved('old-name', 'new-name')")
    if new not in names:
        return Problem("moved", new, f"no job named {new!r}", did_you_mean(new, names))
    if old in names:
        return Problem("moved", old, f"{old!r} is still a job of this configuration", "take one of the two out")
    if any(old == one or new == other for one, other in others):
        return Problem("moved", old, f"{old!r} or {new!r} is moved twice", "one former name for one job")
    return None


def cycles(jobs: Iterable[Job]) -> Iterator[tuple[str, Problem]]:
    """Every ring of jobs that wait for one another, with the name of its first job."""
    graph = {job.name: {parent for parent in job.after if parent != job.name} for job in jobs}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            ring: list[str] = error.args[1][:0:-1]  # it begins and ends with the same job; a parent precedes its child
            start = ring.index(min(ring))
            ring = [*ring[start:], *ring[: start + 1]]
            path = " after ".join(ring)
            yield ring[0], Problem("after", ring[1], f"the jobs wait for one another: {path}")
            for name in ring:
                graph.pop(name, None)
        else:
            return
