"""The tree of a chain of runs, and running it again from where it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from dkronpy.chain_runs import ChainRuns
from dkronpy.deployment import Deployment
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.errors import ConflictError, NotFoundError
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.chain import Link, failed_first, links, suffix_of, tail_again, tail_of
from dkronpy.job.param import given_params
from dkronpy.store.ledger import Firing, RunPlan


class Reruns:
    """Reads chains and starts parts of them anew. Raises StoreUnavailableError when the store is away."""

    def __init__(self, deployment: Deployment, planner: Planner) -> None:
        self.deployment = deployment
        self.planner = planner
        self._runs = ChainRuns(deployment.ledger, deployment.results)

    def tree(self, run_id: str) -> list[Link]:
        """The chain that a run belongs to, parents before children, each job with its latest run there.

        Raises NotFoundError for a run that is not known.
        """
        self._known(run_id)
        with self.deployment.store.errors():
            chain, _ = self._latest(run_id)
        return chain

    def next_tail(self, run_id: str) -> str:
        """What the ids of the runs would end in that ``rerun`` makes now. Raises NotFoundError."""
        self._known(run_id)
        with self.deployment.store.errors():
            return tail_again(self._latest(run_id)[1])

    def rerun(self, run_id: str, *, start: str | None = None, by: str, tail: str = "") -> list[str]:
        """Start the failed jobs of a run's chain again, or the job *start*; the ids of the new runs.

        What succeeded is kept, and what follows from the new runs is decided anew. With *tail* (``next_tail``) those
        that were made under it are the answer where there are any. Raises NotFoundError for a run or
        job that is not there, ConflictError when nothing of it failed or some of it still runs, InvalidError where the
        parameters that a run was given do not fit its job any more.
        """
        self._known(run_id)
        with self.deployment.store.errors():
            made = self._made(run_id, tail) if tail else []
            if made:
                return made
            chain, latest = self._latest(run_id)
            names = _to_start(chain, run_id, start)
            plans = self._plans(names, chain, latest, by)
            _, codes = self.deployment.ledger.fire(plans, epoch=None)
            if codes == [-1] * len(plans) and tail:  # by the same request, at the same moment
                return [firing.runs[0].id for firing in plans]
            if codes != [1] * len(plans):
                raise ConflictError(f"the chain of {run_id} was changed in this very moment", hint="try again")
            self.deployment.store.client.publish(self.deployment.store.keys.wake, "run")
        return [firing.runs[0].id for firing in plans]

    def _made(self, run_id: str, tail: str) -> list[str]:
        """The runs by hand of a chain under this tail; what followed from them is chained."""
        found = (self._runs.at(job, tail) for job in self._jobs(run_id))
        return sorted(run.id for run in found if run is not None and run.trigger == "manual")

    def _known(self, run_id: str) -> Run:
        with self.deployment.store.errors():
            run = self._runs.at(run_id.partition("@")[0], tail_of(run_id))
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}", hint="`dkronpy runs list` names the recent ones")
        return run

    def _latest(self, run_id: str) -> tuple[list[Link], str]:
        """The chain with the latest try of each job, and the tail of the latest try of any."""
        jobs = self._jobs(run_id)
        start, tail = run_id.partition("@")[0], tail_of(run_id)
        chain = self._links(jobs, start, tail)
        while any(self._runs.at(link.job, tail_again(tail)) for link in chain):
            tail = tail_again(tail)
            chain = self._links(jobs, start, tail)
        return chain, tail

    def _links(self, jobs: Mapping[str, Job], start: str, tail: str) -> list[Link]:
        return links(jobs, lambda name: self._runs.latest(name, tail), start)

    def _jobs(self, run_id: str) -> dict[str, Job]:
        """The definitions of everything that is connected with the run's job."""
        start = run_id.partition("@")[0]
        found: dict[str, Job] = {}
        wave = {start}
        while wave:
            stored = self.deployment.jobs.many(sorted(wave))
            found.update({one.job.name: one.job for one in stored})
            states = self.deployment.jobs.states([one.job.name for one in stored])
            near = {name for one in stored for name in (*one.job.after, *states[one.job.name].dependent_jobs)}
            wave = near - found.keys() - wave
        return found

    def _plans(self, names: Sequence[str], chain: Sequence[Link], tail: str, by: str) -> list[Firing]:
        now_ms = self.deployment.store.now_ms()
        live, suffix = LiveNodes(self.deployment.nodes.all()), suffix_of(tail_again(tail))
        runs = {link.job: link.run for link in chain}
        firings = []
        for name in names:
            stored, before = self.deployment.jobs.get(name), runs[name]
            due_ms = now_ms if before is None else before.due_ms
            given, extra, _ = given_params(stored.job, msgspec.json.decode(before.params or "{}") if before else {})
            plan: RunPlan = self.planner.run(
                stored.job, stored.schedule(), due_ms, now_ms, live, trigger="manual", suffix=suffix,
                message="" if before is None else f"again after {before.id}", extra=extra, params=given,
            )  # fmt: skip
            plan = msgspec.structs.replace(plan, fired_by=by)
            forbid = stored.job.forbids_overlap
            history = stored.job.history_limit or 0
            firings.append(Firing(job=name, revision=stored.revision, runs=(plan,), forbid=forbid, history=history))
        return firings


def _to_start(chain: Sequence[Link], run_id: str, start: str | None) -> list[str]:
    going = [link.run.id for link in chain if link.run is not None and not link.run.terminal]
    if going:
        raise ConflictError(f"{', '.join(going)} is still open", hint="wait for its end, or cancel it")
    if start is None:
        names = failed_first(chain)
        if not names:
            raise ConflictError(
                f"nothing failed in the chain of {run_id}", hint="--from JOB runs it again from a job on"
            )
        return names
    if all(link.job != start or link.run is None for link in chain):
        there = ", ".join(link.job for link in chain if link.run is not None)
        raise NotFoundError(f"{start!r} has no run in the chain of {run_id}", hint=f"there are: {there}")
    return [start]
