"""One trace from the due time to the end of a run: beat, agent and the call that the job makes, at a real collector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dkronpy
from dkronpy.errors import ConfigError
from dkronpy.settings import Settings
from dkronpy.trace import attempt_span, execution_span, run_span, trace_id, traceparent
from dkronpy.tracer import open_tracer
from tests.acceptance.collector import TRACED, Collector
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, wait_until


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    found = Collector()
    yield found
    found.close()


def test_a_run_is_one_trace_across_beat_agent_and_the_call_it_makes(collector: Collector, tmp_path: Path) -> None:
    settings = {"DKRONPY_OTEL_ENDPOINT": collector.url, **TRACED}
    with StoreServer() as server, Fleet(server, tmp_path, settings) as fleet:
        fleet.beat()
        fleet.agent("n1")
        call = dkronpy.Http(url=f"{collector.url}/hook", method="POST", body="x")
        fleet.save(dkronpy.Job(name="caller", schedule="@every 1s", run=call))
        fleet.save(dkronpy.Job(name="shown", schedule="@manually", run=dkronpy.Shell("echo $TRACEPARENT; false")))
        wait_until(lambda: collector.calls, timeout=30, description="the job has called")
        run = next(one for one in reversed(fleet.client.runs(job="caller")) if one.execution_ids)
        execution = run.execution_ids[0]
        wanted = {run_span(run.id), execution_span(execution)}
        wait_until(lambda: wanted <= set(collector.of(run.id)), timeout=30, description="beat has told of the run")
        token = fleet.client.run(run.id).executions[0].attempts[0].token
        tried = attempt_span(execution, 1, token)
        wait_until(lambda: tried in collector.of(run.id), timeout=30, description="the agent has told of the attempt")
        found = collector.of(run.id)
        who, root = found[run_span(run.id)]
        assert (who, root.name, root.parent_span_id) == ("dkronpy-beat", "run caller", b"")
        assert root.start_time_unix_nano == run.due_ms * 1_000_000
        assert found[execution_span(execution)][1].parent_span_id.hex() == run_span(run.id)
        assert (found[tried][0], found[tried][1].parent_span_id.hex()) == ("dkronpy-agent", execution_span(execution))
        assert traceparent(run.id, execution, 1, token) in collector.calls
        failed, executions = fleet.run_now("shown")
        assert fleet.output(executions[0]).startswith(f"00-{trace_id(failed.id)}-")
        wait_until(lambda: run_span(failed.id) in collector.of(failed.id), timeout=30, description="it is told, too")
        assert collector.of(failed.id)[run_span(failed.id)][1].status.code == 2


def test_ids_are_worked_out_and_those_of_different_things_differ() -> None:
    assert traceparent("a@x", "a@x.0", 1, 7) == f"00-{trace_id('a@x')}-{attempt_span('a@x.0', 1, 7)}-01"
    assert (len(trace_id("a@x")), len(run_span("a@x"))) == (32, 16)
    spans = [run_span("a@x"), execution_span("a@x"), attempt_span("a@x.0", 1, 7), attempt_span("a@x.0", 1, 8)]
    assert len(set(spans)) == 4


def test_nobody_traces_unless_asked_to() -> None:
    assert open_tracer(Settings(), "beat") is None
    with pytest.raises(ConfigError, match="no address of a collector"):
        open_tracer(Settings(otel_endpoint="127.0.0.1:4317"), "beat")
