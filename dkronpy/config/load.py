"""Loads a configuration: every job of every file, and every problem of every file at once. Needs no
Redis, no network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from dkronpy.collect import Collection, Declared, Moved, collecting
from dkronpy.config.check import check_executor, cycles, duplicates, full_check, moved_problem, unknown_parents
from dkronpy.config.errors import FileProblem, problem_in_job, problem_of_error, shown_path
from dkronpy.config.json import JsonJob, json_problem, read_json_file
from dkronpy.config.modules import ConfigSource, find_source, imported
from dkronpy.errors import ConfigError, Problem
from dkronpy.job import Job
from dkronpy.job.json import same_definition

__all__ = ["ConfigInvalidError", "LoadedConfig", "check_executor", "full_check", "load_jobs"]

# Where a problem's field is written when it has no keyword of its own in `Job(...)`.
_ELSEWHERE = {"timezone": ("schedule", "tz"), "executor": ("run",), "enabled": ("enabled",)}


class ConfigInvalidError(ConfigError):
    """A configuration with problems; its text is all of them."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, kw_only=True)
class LoadedConfig:
    """What a configuration says.

    ``jobs`` are all that could be read, good or not, in the order of the files; ``origins`` says for each
    name where it was built (``config/jobs.py:5``), ``moved`` what it was called before. ``sys_path`` is the
    folder that has to be importable on the nodes for callables of these files. ``complete`` is False when a
    file could not be read to its end, so that jobs may be missing.
    """

    jobs: tuple[Job, ...]
    problems: tuple[FileProblem, ...]
    files: tuple[Path, ...]
    origins: dict[str, str]
    sys_path: str
    moved: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every file could be read to its end."""
        return not any(problem.fatal for problem in self.problems)

    def require(self) -> tuple[Job, ...]:
        """The jobs. Raises ConfigInvalidError, whose text is every problem, if there is one."""
        if self.problems:
            raise ConfigInvalidError(self.problems)
        return self.jobs


@dataclass(frozen=True)
class _Found:
    """A job, where it comes from, and how a problem of it is told."""

    job: Job
    file: str
    line: int
    tell: Callable[[Problem], FileProblem]
    problems: tuple[Problem, ...] = ()


def load_jobs(source: str | Path, *, stored: Iterable[Job] = ()) -> LoadedConfig:
    """The jobs of *source*: a folder, a ``.py`` or ``.json`` file, or a dotted module name.

    Problems are returned, not raised: one bad file hides nothing of the others. A job that is *stored* just so was
    looked at then, and is not looked at again. Raises ConfigError when there is no such source at all.
    """
    where = find_source(source)
    collection, problems = _load_python(where)
    found = [_from_python(one) for one in collection.declared]
    for file in where.json_files:
        jobs, wrong = read_json_file(file)
        found += [_from_json(one, file) for one in jobs]
        problems += wrong
    complete = not any(problem.fatal for problem in problems)
    shown = {file: shown_path(file) for file in {one.file for one in found}}
    problems += _check(found, {job.name: job for job in stored}, complete=complete)
    problems += _check_moved(collection.moved, found) if complete else ()
    return LoadedConfig(
        jobs=tuple(one.job for one in found),
        problems=tuple(sorted(set(problems), key=lambda one: (one.place.file, one.place.line, one.place.column))),
        files=(*(file for _, file in where.modules), *where.json_files),
        origins={one.job.name: f"{shown[one.file]}:{one.line}" for one in reversed(found)},
        sys_path=where.sys_path,
        moved={one.new: one.old for one in collection.moved} if not problems else {},
    )


def _load_python(source: ConfigSource) -> tuple[Collection, list[FileProblem]]:
    collection = Collection(files={str(file) for _, file in source.modules})
    problems: list[FileProblem] = []
    with collecting(collection), imported(source):
        for module, file in source.modules:
            if module in sys.modules:  # another file has imported it
                continue
            # A file that failed when another one imported it is run again, and must not count twice.
            collection.declared = [one for one in collection.declared if one.file != str(file)]
            collection.moved = [one for one in collection.moved if one.file != str(file)]
            try:
                import_module(module)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is a stranger's program
                problems.append(problem_of_error(error, str(file), collection.files))
    return collection, problems


def _from_python(declared: Declared) -> _Found:
    job: Job = declared.job

    def tell(problem: Problem) -> FileProblem:
        return problem_in_job(job.name, problem, declared.file, declared.line, _paths(problem.field))

    return _Found(job, declared.file, declared.line, tell, tuple(declared.problems))


def _paths(field: str) -> Iterator[tuple[str, ...]]:
    """The keywords under which *field* may be written, the likeliest first."""
    first, _, rest = field.partition(".")
    if first == "executor_config":
        yield ("run", rest)
    yield (first,)
    if first in _ELSEWHERE:
        yield _ELSEWHERE[first]


def _from_json(found: JsonJob, file: Path) -> _Found:
    def tell(problem: Problem) -> FileProblem:
        return json_problem(found.job.name, problem, str(file), found.text, found.start, found.end)

    return _Found(found.job, str(file), found.text.count("\n", 0, found.start) + 1, tell)


def _check(found: list[_Found], stored: Mapping[str, Job], *, complete: bool) -> Iterator[FileProblem]:
    """Every problem of the jobs, by themselves and with one another."""
    jobs = [one.job for one in found]
    for one in found:
        yield from map(one.tell, one.problems)
        known = stored.get(one.job.name) if stored else None
        if known is None or not same_definition(one.job, known):
            yield from map(one.tell, full_check(one.job))
    for index, first in duplicates(jobs):
        hint = f"first defined at {shown_path(found[first].file)}:{found[first].line}"
        name = jobs[index].name
        yield found[index].tell(Problem("name", name, f"duplicate job name {name!r}", hint))
    if complete:  # else the parent may stand where nothing could be read
        for index, problem in unknown_parents(jobs):
            yield found[index].tell(problem)
    by_name = {one.job.name: one for one in found}
    for name, problem in cycles(jobs):
        yield by_name[name].tell(problem)


def _check_moved(moved: list[Moved], found: list[_Found]) -> Iterator[FileProblem]:
    """Every problem of what was moved."""
    names = {one.job.name for one in found}
    for index, one in enumerate(moved):
        earlier = [(other.old, other.new) for other in moved[:index]]
        problem = moved_problem(one.old, one.new, names, earlier)
        if problem is not None:
            yield problem_in_job(str(one.new), problem, one.file, one.line, ())
