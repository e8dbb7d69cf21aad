"""The carrier: the one message that beat sends. It names an execution; everything else is in the ledger."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from dkronpy.agent.doorbell import STRATEGY, ExecutionFailedError, result_of
from dkronpy.agent.service import agent_of
from dkronpy.carrier import CARRIER_TASK


@shared_task(  # type: ignore[untyped-decorator]  # no types there
    bind=True, name=CARRIER_TASK, ignore_result=True, acks_late=False, throws=(ExecutionFailedError,), Strategy=STRATEGY
)
def run(self: Any, execution_id: str, delivery: int) -> str:
    """Run an execution if the ledger says so; returns what became of it.

    Raises ExecutionFailedError with the reason when it failed. The outcome itself is already on record by then.
    """
    return result_of(agent_of(self.app).runner.run(execution_id, delivery))
