"""Jobs in virtual time, for tests: what would become of a week of them, by the scheduler's own code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from dkronpy.clock import to_ms
from dkronpy.job import Job
from dkronpy.node import Node
from dkronpy.pause import window
from dkronpy.simulation import Outage, Simulated, simulate

_MILLISECOND = timedelta(milliseconds=1)


class Simulate(Protocol):
    """What the fixture ``simulation`` gives to a test."""

    def __call__(
        self,
        jobs: Iterable[Job],
        start: datetime,
        end: datetime,
        *,
        nodes: int | Sequence[Node] = 1,
        outages: Sequence[tuple[datetime, timedelta] | tuple[datetime, timedelta, str]] = (),
        took: Mapping[str, timedelta] | None = None,
        pools: Mapping[str, int] | None = None,
        pauses: Sequence[tuple[datetime, timedelta, str]] = (),
        seed: int = 0,
    ) -> Simulated:
        """The ledger of *jobs* from *start* to *end* (aware moments), as ``dkronpy simulate`` shows it.

        An outage is a moment, a length, and the name of a node, or none for every beat. *took* says how long the runs
        of a job take: a second otherwise; *pools* how many slots each pool has. A pause is a moment, a length, and the
        name of a job, a tag with its value (``role=web``) or '' for everything.
        """
        ...


@pytest.fixture
def simulation() -> Simulate:
    """Simulates jobs: ``simulation(jobs, start, end, nodes=3, outages=[(moment, timedelta(minutes=20))])``."""

    def run(
        jobs: Iterable[Job],
        start: datetime,
        end: datetime,
        *,
        nodes: int | Sequence[Node] = 1,
        outages: Sequence[tuple[datetime, timedelta] | tuple[datetime, timedelta, str]] = (),
        took: Mapping[str, timedelta] | None = None,
        pools: Mapping[str, int] | None = None,
        pauses: Sequence[tuple[datetime, timedelta, str]] = (),
        seed: int = 0,
    ) -> Simulated:
        spans = [
            Outage(start_ms=to_ms(at), end_ms=to_ms(at + length), node=node[0] if node else "")
            for at, length, *node in outages
        ]
        windows = [window(scope, to_ms(at), to_ms(at + length)) for at, length, scope in pauses]
        lengths = {name: length // _MILLISECOND for name, length in (took or {}).items()}
        return simulate(
            jobs, to_ms(start), to_ms(end), nodes=nodes, outages=spans, took=lengths, pools=pools, pauses=windows,
            seed=seed,
        )  # fmt: skip

    return run
