"""Finds the runs of a chain: in the ledger while it has them, then in the results backend."""

from __future__ import annotations

from dkronpy.execution import Run
from dkronpy.job.chain import tails
from dkronpy.results.backend import ResultsBackend
from dkronpy.store.ledger import Ledger


class ChainRuns:
    """The runs of jobs by the tails of their ids. What ledger and results backend raise passes through."""

    def __init__(self, ledger: Ledger, results: ResultsBackend) -> None:
        self.ledger = ledger
        self.results = results

    def at(self, job: str, tail: str) -> Run | None:
        """The run of *job* under exactly this tail."""
        run_id = f"{job}@{tail}"
        return self.ledger.run(run_id) or self.results.run(run_id)

    def latest(self, job: str, tail: str) -> Run | None:
        """The run of *job* under this tail, or else the latest under those of earlier tries."""
        return next((run for one in tails(tail) if (run := self.at(job, one)) is not None), None)
