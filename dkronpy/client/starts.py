"""Starting a job by hand, under an id that is made up first: who hears no answer asks again for the same run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from dkronpy.deployment import Deployment
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.errors import ConflictError
from dkronpy.execution import due_of, job_of, run_id
from dkronpy.job.param import given_params
from dkronpy.store.ledger import Firing

_THERE = (1, -1)
"""Codes of ``fire.lua``: it was made, and it had been made before."""


class Starts:
    """Runs by hand. Raises StoreUnavailableError when the store is away; the run may be there all the same."""

    def __init__(self, deployment: Deployment, planner: Planner) -> None:
        self.deployment = deployment
        self.planner = planner

    def name(self, job: str) -> str:
        """The id of a run of *job* by hand that nobody else comes upon; due now."""
        with self.deployment.store.errors():
            return run_id(job, self.deployment.store.now_ms(), secrets.token_hex(3))

    def start(self, run: str, *, by: str, params: Mapping[str, Any]) -> None:
        """Make the run of this id (``name``), unless it is there. Raises what ``Client.run_job`` does."""
        deployment, due_ms = self.deployment, due_of(run)
        with deployment.store.errors():
            stored = deployment.jobs.get(job_of(run))
            given, extra, said = given_params(stored.job, params)
            now_ms = deployment.store.now_ms()
            plan = self.planner.run(
                stored.job, stored.schedule(), due_ms, now_ms, LiveNodes(deployment.nodes.all()),
                trigger="manual", suffix=run.removeprefix(f"{run_id(stored.job.name, due_ms)}-"), extra=extra,
                message=said, params=given,
            )  # fmt: skip
            plan = msgspec.structs.replace(plan, fired_by=by)
            forbid, history = stored.job.forbids_overlap, stored.job.history_limit or 0
            firing = Firing(job=stored.job.name, revision=stored.revision, runs=(plan,), forbid=forbid, history=history)
            _, (code,) = deployment.ledger.fire([firing], epoch=None)
            if code not in _THERE:
                raise ConflictError(f"job {stored.job.name!r} was changed in this very moment", hint="run it again")
            deployment.store.client.publish(deployment.store.keys.wake, "run")
