"""Outcomes that are reported together: none waits for another that is refused, and what waits arrives later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from dkronpy.agent.reporter import Reporter
from dkronpy.agent.spool import Report, Spool
from dkronpy.execution import Output, run_of
from dkronpy.results.redis import Keys, RedisResults
from tests.integration.store.plans import Desk

PREFIX = "reported:"


@pytest.fixture
def results(desk: Desk) -> Iterator[RedisResults]:
    results = RedisResults(desk.store.url, lifetime=timedelta(hours=1), prefix=PREFIX)
    yield results
    results.close()


def test_a_run_that_is_refused_keeps_no_other_from_being_filed(
    desk: Desk, results: RedisResults, tmp_path: Path
) -> None:
    spool, copied, safe = Spool(tmp_path), [], []
    reporter = Reporter(spool, desk.ledger, results, lambda reports: copied.extend(one.execution_id for one in reports))
    claims = [desk.claimed(due_ms=minute * 60_000) for minute in (1, 2, 3)]
    output = Output(head=b"done\n", size=5)
    reports = [
        Report(execution_id=claim.execution.id, token=claim.token, success=True, output=output) for claim in claims
    ]
    odd, *good = [run_of(report.execution_id) for report in reports]
    desk.store.client.set(Keys(PREFIX).run(odd), "no hash")

    reporter._send_all([(report, [], partial(safe.append, report)) for report in reports])

    assert [results.run(run).state for run in good if results.run(run)] == ["success", "success"]  # type: ignore[union-attr]
    assert [report.execution_id for _, report in spool.waiting()] == [reports[0].execution_id]
    assert safe == reports
    assert copied == [report.execution_id for report in reports[1:]]

    desk.store.client.delete(Keys(PREFIX).run(odd))
    assert reporter._catch_up()

    kept = results.execution(reports[0].execution_id)
    assert kept is not None
    assert kept.output == output
    assert not list(tmp_path.iterdir())
    assert desk.counters() == {"success": 3}
