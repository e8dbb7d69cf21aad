"""`dkronpy verify`: hurts this deployment for half a minute, and says whether anything was lost."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.failure import say
from dkronpy.cli.job import confirm
from dkronpy.cli.output import Column, Printer, data_options
from dkronpy.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from dkronpy.verify.history import History, JobHistory

BROKEN = 1
FAULTS = ("beat", "pause", "agent", "cut")
COLUMNS = (
    Column(name="job"),
    Column(name="owed"),
    *(Column(name=state) for state in ("success", "failed", "skipped", "lost")),
    Column(name="violations"),
)


@command(
    name="verify",
    short_help="Hurt this deployment, and say whether anything was lost.",
    example="""
    dkronpy verify
    dkronpy verify --seconds 120 --fault beat --fault cut
    dkronpy verify --no-faults --yes
    """,
)
@click.option("--seconds", type=click.FloatRange(10, 3600), default=30, show_default=True, help="How long.")
@click.option("--fault", "faults", type=click.Choice(FAULTS), multiple=True, help="Only these; repeatable.")
@click.option("--no-faults", is_flag=True, help="Only run the jobs and judge.")
@click.option("--seed", type=int, default=1, show_default=True, help="Where chance begins.")
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Write the history there, as JSON.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_options()
@pass_session
def verify(
    session: Session,
    seconds: float,
    faults: tuple[str, ...],
    no_faults: bool,
    seed: int,
    keep: Path | None,
    yes: bool,
    printer: Printer,
) -> int:
    """Run jobs of every policy, hurt the deployment meanwhile, and judge what it recorded.

    The faults, in turn: the beat that leads is killed, the store hangs, an agent is killed, every connection is cut.
    Only processes on this machine are killed: run it where a supervisor starts them again, and not in the middle of
    work that minds. The jobs are named verify-… and are deleted at the end. Exit status 1 when a promise was broken.
    """
    from dkronpy.verify.checker import check
    from dkronpy.verify.trial import Trial

    chosen = () if no_faults else (faults or FAULTS)
    where = session.client.deployment.store.where
    told = f", and hurt it: {', '.join(chosen)}" if chosen else ""
    confirm(f"run jobs on {where} for {seconds:g} s{told}?", yes=yes)
    with tempfile.TemporaryDirectory(prefix="dkronpy-verify-") as folder:
        Path(folder).chmod(0o777)  # jobs may run as another user
        history = Trial(session.client, Path(folder), seed=seed, say=say).run(seconds, chosen)
    if keep is not None:
        history.write(keep)
    violations = check(history)
    broken = Counter(violation.subject.partition(" ")[0].partition("@")[0] for violation in violations)
    printer.rows(COLUMNS, [_row(job, broken) for job in history.jobs])
    for violation in violations:
        say(str(violation))
    say(_verdict(history, len(violations)))
    return BROKEN if violations else 0


def _row(job: JobHistory, broken: Counter[str]) -> dict[str, Any]:
    states = Counter(execution.state for execution in job.executions)
    states["skipped"] += sum(run.count for run in job.runs if not run.execution_ids)
    return {
        "job": job.name,
        "owed": len(job.owed),
        **{state: states[state] for state in ("success", "failed", "skipped", "lost")},
        "violations": broken[job.name],
    }


def _verdict(history: History, violations: int) -> str:
    unseen = "" if history.witnessed else " (nodes on other machines: what the jobs wrote down could not be read)"
    if violations:
        return f"{violations} promises broken{unseen}; docs/guarantees.md says what each rule holds"
    return f"nothing was lost, doubled or left behind{unseen}"
