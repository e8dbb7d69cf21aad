"""`dkronpy try`: one job of a configuration, here and now, before it is trusted."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dkronpy.cli.configuration import load
from dkronpy.cli.failure import say
from dkronpy.cli.output import write, write_bytes
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import span

if TYPE_CHECKING:
    from dkronpy.config import LoadedConfig
    from dkronpy.job import Job
    from dkronpy.plugins.executor import Outcome
    from dkronpy.trial import Trial

SEPARATOR = "::"
FAILED = 1
_STATUSES = {"timeout": 124, "cancelled": 130}


@command(
    name="try",
    short_help="Run one job of a configuration here and now.",
    example="""
    dkronpy try config/jobs.py::backup
    dkronpy try backup --dry-run
    """,
)
@click.argument("job", metavar="[PATH::]JOB")
@click.option("--dry-run", is_flag=True, help="Only print what would run where.")
@pass_session
def try_command(session: Session, job: str, dry_run: bool) -> int:
    """Run one job of a configuration on this machine, in the foreground: no store, no broker, no agent.

    Its output is shown as it comes, its secrets are those of this machine and are masked. One attempt, with the job's
    timeout; nothing is recorded, nobody is told. Exit status: the command's own, 124 after the timeout, 130 after
    Ctrl-C, 1 for any other failure.
    """
    from dkronpy.secrets import SecretResolver
    from dkronpy.trial import Trial, ended_by_signals

    place, _, name = job.rpartition(SEPARATOR)
    loaded, _ = load(session.require_config(place or None))
    found = _job(loaded, name)
    if found is None:
        return 3
    settings = session.loaded[0]
    trial = Trial(
        found,
        SecretResolver.of(settings),
        write_bytes,
        node=settings.node,
        grace=settings.kill_grace,
        paths=(loaded.sys_path,),
    )
    if dry_run:
        write("".join(f"{line}\n" for line in _described(trial, loaded)))
        return 0
    began = time.monotonic()
    with ended_by_signals(trial):
        outcome = trial.run()
    return _told(found, outcome, round((time.monotonic() - began) * 1000))


def _job(loaded: LoadedConfig, name: str) -> Job | None:
    """The job of that name; None, and said, where it or its file has a problem. Raises NotFoundError."""
    from dkronpy.errors import NotFoundError
    from dkronpy.schedule.problems import did_you_mean

    known = {job.name: job for job in loaded.jobs}
    problems = [one for one in loaded.problems if one.job == name or (one.fatal and name not in known)]
    for problem in problems:
        say(str(problem))
    if problems:
        return None
    if name not in known:
        hint = did_you_mean(name, known) or f"known: {', '.join(sorted(known)[:10])}"
        raise NotFoundError(f"the configuration has no job named {name!r}", hint=hint)
    return known[name]


def _told(job: Job, outcome: Outcome, took_ms: int) -> int:
    """Say how it ended; the exit status."""
    sys.stdout.flush()
    if outcome.success:
        result = "" if outcome.result is None else f", result {json.dumps(outcome.result, ensure_ascii=False)[:500]}"
        say(f"{job.name}: success in {span(took_ms)}{result}")
        return 0
    said = f": {outcome.message}" if outcome.message else ""
    say(f"{job.name}: failed ({outcome.reason or 'executor_error'}) in {span(took_ms)}{said}")
    if outcome.reason in _STATUSES:
        return _STATUSES[outcome.reason]
    code = outcome.exit_code
    return code if code is not None and 0 < code < 256 else FAILED


def _described(trial: Trial, loaded: LoadedConfig) -> Iterator[str]:
    """What would run, when and where; of secrets the names."""
    from msgspec.structs import replace

    from dkronpy.fleet.times import target_words
    from dkronpy.job import Run
    from dkronpy.job.diff import fields_of, shown

    job = trial.job
    rendered = Run(job.executor, trial.options().to_config())
    yield f"job       {job.name}  {loaded.origins.get(job.name, '')}".rstrip()
    yield f"due       {_when(job)}"
    yield f"where     {target_words(job.on)}; here it is the node {trial.node}"
    yield f"executor  {job.executor}"
    for field, value in fields_of(replace(job, run=rendered)).items():
        if field.startswith("run.config."):
            said = shown(field, value)
            yield f"  {field.removeprefix('run.config.')} = {said if isinstance(said, str) else json.dumps(said)}"
    if job.timeout is not None:
        yield f"timeout   {fields_of(job)['timeout']}"


def _when(job: Job) -> str:
    from dkronpy.schedule.english import explain

    if job.after:
        return "after " + ", ".join(job.after)
    return explain(job.parsed_schedule()) if job.schedule else "when somebody asks"
