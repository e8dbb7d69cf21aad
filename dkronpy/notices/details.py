"""Fills in what a happening leaves open: where, why, the end of the output, who owns the job, what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from dkronpy.clock import from_ms
from dkronpy.deployment import Deployment
from dkronpy.errors import DkronpyError
from dkronpy.execution import REASONS, Execution, Run
from dkronpy.job import Job
from dkronpy.job.notify import Happening
from dkronpy.plugins.notifier import Notice
from dkronpy.schedule.durations import format_duration
from dkronpy.store.output import read_output

LINES, CHARACTERS = 10, 2_000


class Details:
    """Makes notices of happenings. What the store has forgotten is left out; redis-py's errors pass through."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def notice(self, happening: Happening, *, brief: bool = False) -> Notice:
        """The notice of a happening; *brief*: without what has to be looked up."""
        run = None if brief or not happening.run_id else self._run(happening.run_id)
        executions = [] if run is None else self._executions(run)
        if happening.execution_id:
            executions = [one for one in executions if one.id == happening.execution_id]
        shown = _telling(executions)
        found = [] if brief else self.deployment.jobs.many([happening.job])
        return self._filled(happening, run, executions, shown, found[0].job if found else None)

    def _filled(
        self, happening: Happening, run: Run | None, executions: Sequence[Execution], shown: Execution | None,
        job: Job | None,
    ) -> Notice:  # fmt: skip
        nodes = tuple(dict.fromkeys(one.node for one in executions if one.node))
        started = [one.started_ms for one in executions if one.started_ms]
        ended = [one.finished_ms for one in executions if one.finished_ms]
        at = shown.node if shown is not None and happening.event in ("failure", "started", "ended") else ""
        return Notice(
            id=happening.id,
            event=happening.event,
            job=happening.job,
            headline=headline(happening, at, shown.message if shown is not None else ""),
            at=from_ms(happening.at_ms),
            run_id=happening.run_id,
            execution_id=happening.execution_id,
            state=happening.state,
            reason=happening.reason,
            why=why(happening, run, shown),
            nodes=nodes,
            due=None if run is None else from_ms(run.due_ms),
            started=from_ms(min(started)) if started else None,
            finished=from_ms(max(ended)) if ended else None,
            since=from_ms(happening.since_ms) if happening.since_ms else None,
            times=happening.times,
            output=self._output(shown, happening),
            command=command(happening),
            url=self._url(happening),
            display_name="" if job is None else job.display_name,
            owner="" if job is None else job.owner,
            owner_email="" if job is None else job.owner_email,
            metadata={} if job is None else dict(job.metadata),
        )

    def _run(self, run_id: str) -> Run | None:
        return self.deployment.ledger.run(run_id) or self._kept(run_id)

    def _kept(self, run_id: str) -> Run | None:
        try:
            return self.deployment.results.run(run_id)
        except DkronpyError:  # the results backend is away: what the ledger does not know is left out
            return None

    def _executions(self, run: Run) -> list[Execution]:
        found = self.deployment.ledger.executions(run.execution_ids)
        if found or not run.execution_ids:
            return found
        try:
            return self.deployment.results.executions(run.id)
        except DkronpyError:
            return []

    def _output(self, shown: Execution | None, happening: Happening) -> str:
        if shown is None or not shown.attempt or happening.event == "started":
            return ""
        output = read_output(self.deployment.store, shown.id, shown.attempt)
        if output is None:
            try:
                kept = self.deployment.results.execution(shown.id)
            except DkronpyError:
                kept = None
            output = kept.output if kept is not None else None
        return "" if output is None else last_lines(output.text())

    def _url(self, happening: Happening) -> str:
        place = self.deployment.settings.public_url.rstrip("/")
        if not place:
            return ""
        if happening.run_id:
            return f"{place}/ui/runs/{quote(happening.run_id, safe='@:')}"
        return f"{place}/ui/jobs/{happening.job}"


def last_lines(text: str) -> str:
    """The end of an output: at most ten lines, and not endless ones."""
    return "\n".join(text.rstrip("\n").split("\n")[-LINES:])[-CHARACTERS:]


def headline(happening: Happening, node: str, message: str) -> str:
    """One line: ``backup failed on web1: exit status 3``."""
    where = f" on {node}" if node else ""
    because = message or REASONS.get(happening.reason, happening.reason)
    tail = f": {because}" if because else ""
    times = happening.times
    words = {
        "failure": f"failed{where}" + (f", {times} times in a row" if times > 1 else "") + tail,
        "recovery": f"recovered after {times} {'failure' if times == 1 else 'failures'}",
        "success": "succeeded",
        "missed": "did not run" + tail,
        "deadline": "missed its deadline: " + (f"it {_ended(happening.state)}" if happening.state else "no success"),
        "stale": "is stale: it has not succeeded for " + _span(happening.amount),
        "slow": f"runs {happening.amount:.1f} times as long as usual",
        "late": f"started {_span(happening.amount)} late",
        "paused": f"was paused after {times} failures in a row",
        "reminder": f"still fails, {times} times in a row",
        "started": f"started{where}",
        "ended": f"{_ended(happening.state)}{where}" + (tail if happening.state != "success" else ""),
    }
    lost = happening.event == "failure" and happening.state == "lost"
    said = f"was lost{where}{tail}" if lost else words.get(happening.event, happening.event)
    return " ".join(f"{happening.job} {said}".split())[:300]


def _ended(state: str) -> str:
    words = {"success": "succeeded", "running": "is still running", "skipped": "did not run", "lost": "was lost"}
    return words.get(state, "failed")


def _span(ms: float) -> str:
    return format_duration(timedelta(seconds=round(ms / 1000))) if ms >= 1000 else f"{ms:.0f}ms"


def why(happening: Happening, run: Run | None, shown: Execution | None) -> str:
    """Why it happened, in a sentence: the reason's own, and what was reported."""
    reason = happening.reason or (shown.reason if shown is not None else "") or (run.reason if run is not None else "")
    if not reason:
        return ""
    reported = (shown.message if shown is not None else "") or (run.message if run is not None else "")
    return f"{REASONS.get(reason, reason)}" + (f" ({reported})" if reported else "")


def command(happening: Happening) -> str:
    """What to type next."""
    if happening.event in ("failure", "missed", "deadline", "stale", "reminder"):
        return f"dkronpy run {happening.job} --wait"
    if happening.event == "paused":
        return f"dkronpy resume {happening.job}"
    return f"dkronpy logs {happening.run_id}" if happening.run_id and happening.event != "started" else ""


def _telling(executions: Sequence[Execution]) -> Execution | None:
    """The execution that says most: the first that did not succeed, else the first."""
    bad = [one for one in executions if one.state in ("failed", "lost")]
    return next(iter(bad or executions), None)
