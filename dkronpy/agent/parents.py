"""What a job's templates may say of the jobs that it follows: how their runs of this chain ended, and with what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dkronpy.chain_runs import ChainRuns
from dkronpy.execution import Execution, Run
from dkronpy.job import Job
from dkronpy.job.chain import tail_of
from dkronpy.plugins.template import ParentFacts
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.ledger import Ledger
from dkronpy.store.output import read_output

LONGEST_OUTPUT = 64_000
"""Characters of a parent's output that a template sees: the last ones."""


class Parents:
    """Reads the runs of parents, from the ledger while it has them, then from the results backend."""

    def __init__(self, ledger: Ledger, results: ResultsBackend) -> None:
        self.ledger = ledger
        self.results = results
        self._runs = ChainRuns(ledger, results)

    def of(self, job: Job, run_id: str) -> Mapping[str, ParentFacts]:
        """The parents of *job* that have a run in the chain of *run_id*, by name.

        Raises StoreUnavailableError when the results backend is needed and away; redis-py's errors pass through.
        """
        found = {}
        for parent in job.after:
            run = self._runs.latest(parent, tail_of(run_id))
            if run is not None:
                found[parent] = self._facts(run)
        return found

    def _facts(self, run: Run) -> ParentFacts:
        """Of a run on several nodes the first one speaks."""
        first = run.execution_ids[0] if run.execution_ids else ""
        execution = self.ledger.execution(first) or self.results.execution(first) if first else None
        if execution is None:
            return ParentFacts(run_id=run.id, state=run.state, reason=run.reason)
        return ParentFacts(
            run_id=run.id,
            state=run.state,
            reason=run.reason,
            exit_code=execution.attempts[-1].exit_code if execution.attempts else None,
            result=self._result(execution),
            output=self._output(execution),
        )

    def _result(self, execution: Execution) -> Any:
        text = self.ledger.result(execution.id)
        return json.loads(text) if text else None

    def _output(self, execution: Execution) -> str:
        live = read_output(self.ledger.store, execution.id, execution.attempt) if execution.attempt else None
        if live is None:
            kept = self.results.execution(execution.id)
            live = kept.output if kept is not None else None
        return "" if live is None else live.text()[-LONGEST_OUTPUT:].rstrip("\n")
