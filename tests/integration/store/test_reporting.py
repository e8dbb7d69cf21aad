"""Outcomes that are reported together: none waits for another that is refused, and what waits arrives later."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dkronpy.agent import reporter as reporter_module
from dkronpy.agent.plan import Plan, Step
from dkronpy.agent.processing import Processing
from dkronpy.agent.reporter import Reporter
from dkronpy.agent.spool import Report, Spool
from dkronpy.clock import from_ms
from dkronpy.execution import Output, run_of
from dkronpy.plugins.processor import ExecutionInfo
from dkronpy.plugins.template import Facts, JobFacts
from dkronpy.results.redis import Keys, RedisResults
from tests.executors.servers import HttpServer
from tests.integration.store.plans import Desk
from tests.support import wait_until

PREFIX = "reported:"


class OddSpool(Spool):
    """On a disk that is full, or has become one that is only read, for as long as a test wants that."""

    put_fails = unlink_fails = look_fails = False
    failed = 0

    def put(self, *reports: Report) -> list[str]:
        self._maybe(self.put_fails, errno.ENOSPC)
        return super().put(*reports)

    def waiting(self, failed: Callable[[OSError], object] | None = None) -> Iterator[tuple[str, Report]]:
        self._maybe(self.look_fails, errno.EMFILE)
        return super().waiting(failed)

    def _unlink(self, name: str) -> None:
        self._maybe(self.unlink_fails, errno.EROFS)
        super()._unlink(name)

    def _maybe(self, fails: bool, number: int) -> None:
        if fails:
            self.failed += 1
            raise OSError(number, os.strerror(number))


@pytest.fixture
def results(desk: Desk) -> Iterator[RedisResults]:
    results = RedisResults(desk.store.url, lifetime=timedelta(hours=1), prefix=PREFIX)
    yield results
    results.close()


def reporter_of(desk: Desk, results: RedisResults, spool: Spool) -> Reporter:
    return Reporter(spool, desk.ledger, results, lambda _: None)


def reports_of(desk: Desk, many: int) -> list[Report]:
    """Of as many runs that have begun."""
    claims = [desk.claimed(due_ms=minute * 60_000) for minute in range(1, many + 1)]
    return [Report(execution_id=claim.execution.id, token=claim.token, success=True) for claim in claims]


def told(report: Report, safe: list[Report] | None = None) -> tuple[Report, list[Any], Callable[[], None]]:
    """As it is handed in; it is put into *safe* once it is."""
    return report, [], partial(([] if safe is None else safe).append, report)


def processed_by_webhook(report: Report, url: str) -> Report:
    run, due = run_of(report.execution_id), from_ms(60_000)
    facts = Facts(
        job=JobFacts(name="backup"), due=due, node="web1", attempt=1, run_id=run, execution_id=report.execution_id
    )  # fmt: skip
    info = ExecutionInfo(
        job="backup", run_id=run, execution_id=report.execution_id, attempt=1, node="web1", due=due, started=due,
        finished=due, success=True,
    )  # fmt: skip
    return replace(report, plan=Plan(steps=(Step(processor="webhook", config={"url": url}),), info=info, facts=facts))


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


def test_processors_run_once_although_the_run_could_not_be_filed_at_first(
    desk: Desk, results: RedisResults, tmp_path: Path
) -> None:
    with HttpServer() as server:
        reporter = reporter_of(desk, results, Spool(tmp_path))
        reporter.processing = Processing(lambda _: "")
        report = processed_by_webhook(reports_of(desk, 1)[0], f"{server.url}/status/200")
        key = Keys(PREFIX).run(run_of(report.execution_id))
        desk.store.client.set(key, "no hash")
        reporter.processing.start()

        reporter._send_all([told(report)])
        assert not server.requests
        desk.store.client.delete(key)
        assert reporter._catch_up()

        wait_until(lambda: not list(tmp_path.iterdir()), description="nothing waits any more")
        assert [request["path"] for request in server.requests] == ["/status/200"]
        reporter.processing.stop()
    kept = results.execution(report.execution_id)
    assert kept is not None
    assert kept.output.text().startswith("Output posted to ")


def test_processors_are_not_run_again_because_the_disk_is_full(
    desk: Desk, results: RedisResults, tmp_path: Path
) -> None:
    with HttpServer() as server:
        spool = OddSpool(tmp_path)
        reporter = reporter_of(desk, results, spool)
        reporter.processing = Processing(lambda _: "")
        report = processed_by_webhook(reports_of(desk, 1)[0], f"{server.url}/status/200")

        reporter._send_all([told(report)])
        spool.put_fails = True
        reporter.processing.start()

        wait_until(lambda: not list(tmp_path.iterdir()), description="nothing waits any more")
        assert len(server.requests) == 1
        reporter.processing.stop()


def test_one_that_cannot_be_written_down_keeps_no_other_from_it(
    desk: Desk, results: RedisResults, tmp_path: Path
) -> None:
    reporter = reporter_of(desk, results, Spool(tmp_path))
    good, big, bad = reports_of(desk, 3)
    reports = [good, replace(big, result=2**64), replace(bad, success=False, reason="exit", exit_code=2**64)]
    safe: list[Report] = []

    reporter._send_all([told(report, safe) for report in reports])

    assert [desk.state(report.execution_id)[0] for report in reports] == ["success", "success", "failed"]
    assert desk.ledger.result(big.execution_id) == '"18446744073709551616"'
    assert safe == reports


def test_the_thread_outlives_a_disk_that_lets_no_file_go(desk: Desk, results: RedisResults, tmp_path: Path) -> None:
    spool = OddSpool(tmp_path)
    reports = reports_of(desk, 3)
    for report in reports:
        spool.put(report)
    spool.unlink_fails = True
    reporter = reporter_of(desk, results, spool)

    reporter.start()

    wait_until(lambda: desk.counters() == {"success": 3}, description="all have arrived")
    wait_until(lambda: spool.failed > 3, description="it was tried again")
    assert len(list(tmp_path.iterdir())) == 3
    spool.unlink_fails = False
    wait_until(lambda: not list(tmp_path.iterdir()), description="the files are gone")
    reporter.stop()
    assert desk.counters() == {"success": 3}


def test_an_agent_stops_in_good_order_although_its_spool_cannot_be_looked_at(
    desk: Desk, results: RedisResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "LAST_SECONDS", 0.0)
    spool = OddSpool(tmp_path)
    spool.put(*reports_of(desk, 1))
    spool.look_fails = True
    reporter = reporter_of(desk, results, spool)
    reporter.start()
    wait_until(lambda: spool.failed, description="it was looked at")
    assert reporter._thread.is_alive()

    reporter.stop()

    assert spool.failed > 1


def test_what_can_be_neither_written_down_nor_reported_holds_nothing_else_up(
    desk: Desk, results: RedisResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter_module, "AGAIN_SECONDS", 0.05)
    spool, safe = OddSpool(tmp_path), []  # type: ignore[var-annotated]
    reporter = reporter_of(desk, results, spool)
    reporter.start()
    odd, other, last = reports_of(desk, 3)
    key = desk.store.keys.execution(odd.execution_id)
    kept = desk.store.client.dump(key)
    desk.store.client.set(key, "no hash")
    spool.put_fails = True

    reporter.hand_in(*told(odd, safe))
    reporter.hand_in(*told(other, safe))
    assert (desk.state(other.execution_id)[0], safe) == ("success", [other])

    spool.put_fails = False
    wait_until(lambda: odd in safe, description="there is room for it")
    assert len(list(tmp_path.iterdir())) == 1
    reporter.hand_in(*told(last, safe))
    assert safe == [other, odd, last]

    desk.store.client.restore(key, 0, kept, replace=True)
    wait_until(lambda: not list(tmp_path.iterdir()), description="all have arrived")
    reporter.stop()
    assert desk.counters() == {"success": 3}


def test_an_agent_ends_although_an_outcome_can_go_nowhere(
    desk: Desk, results: RedisResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reporter_module, "LAST_SECONDS", 0.0)
    caplog.set_level(logging.ERROR)
    spool, safe = OddSpool(tmp_path), []  # type: ignore[var-annotated]
    spool.put_fails = True
    (report,) = reports_of(desk, 1)
    desk.store.client.delete(desk.store.keys.execution(report.execution_id))
    desk.store.client.set(desk.store.keys.execution(report.execution_id), "no hash", ex=60)
    reporter = reporter_of(desk, results, spool)
    reporter.start()

    reporter.hand_in(*told(report, safe))
    assert not safe
    reporter.stop()

    assert safe == [report]
    assert f"the outcome of {report.execution_id} is lost with this agent" in caplog.text
    desk.store.client.delete(desk.store.keys.execution(report.execution_id))
    desk.store.client.delete(desk.store.keys.run(run_of(report.execution_id)))  # nobody will end that one
