"""Tells a collector of OpenTelemetry what became of runs and attempts; not there at all unless it is asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dkronpy.errors import ConfigError
from dkronpy.execution import Attempt, Execution, Run
from dkronpy.plugins.registry import import_extra
from dkronpy.settings import Settings
from dkronpy.trace import attempt_span, execution_span, run_span, trace_id
from dkronpy.version import VERSION

log = logging.getLogger(__name__)

_NANOS = 1_000_000
_FLUSH_MS = 3_000


def open_tracer(settings: Settings, service: str) -> Tracer | None:
    """A tracer of one process, named *service*; None where no collector is set (``otel_endpoint``).

    Raises ConfigError for an address that is none, PluginError where the extra ``otel`` is missing.
    """
    if not settings.otel_endpoint:
        return None
    if not settings.otel_endpoint.startswith(("http://", "https://")):
        message = f"otel_endpoint: {settings.otel_endpoint!r} is no address of a collector"
        raise ConfigError(message, hint="OTLP over HTTP, such as http://127.0.0.1:4318")
    return Tracer(settings.otel_endpoint, service, settings.node)


class Tracer:
    """Sends spans in the background; what a collector that is away cannot take in time is dropped, and said once."""

    def __init__(self, endpoint: str, service: str, node: str) -> None:
        sdk: Any = import_extra("opentelemetry.sdk.trace", extra="otel", plugin="traces")
        export: Any = import_extra("opentelemetry.sdk.trace.export", extra="otel", plugin="traces")
        otlp: Any = import_extra("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel", plugin="traces")
        resources: Any = import_extra("opentelemetry.sdk.resources", extra="otel", plugin="traces")
        self._api: Any = import_extra("opentelemetry.trace", extra="otel", plugin="traces")
        resource = resources.Resource.create(
            {"service.name": f"dkronpy-{service}", "service.version": VERSION, "service.instance.id": node}
        )
        self._ids = _Ids()
        self._provider = sdk.TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_FLUSH_MS / 1000)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("dkronpy", VERSION)

    def run(self, run: Run, executions: list[Execution]) -> None:
        """A run that has ended, from its due time on, and its executions, from their messages on."""
        facts = {"dkronpy.run": run.id, "dkronpy.trigger": run.trigger, "dkronpy.fired_by": run.fired_by}
        self._span(
            f"run {run.job}", run, run_span(run.id), "", run.due_ms or run.fired_ms, run.finished_ms,
            {**facts, "dkronpy.fired_ms": run.fired_ms}, run.state, run.reason, run.message,
        )  # fmt: skip
        for one in executions:
            self._span(
                f"execution on {one.node or 'no node'}", run, execution_span(one.id), run_span(run.id),
                one.queued_ms or run.fired_ms, one.finished_ms,
                {"dkronpy.execution": one.id, "dkronpy.node": one.node, "dkronpy.delivery": one.delivery},
                one.state, one.reason, one.message,
            )  # fmt: skip

    def attempt(self, execution: Execution, attempt: Attempt) -> None:
        """An attempt that has ended."""
        run = Run(id=execution.run_id, job=execution.job, due_ms=execution.due_ms)
        self._span(
            f"attempt {attempt.number}", run, attempt_span(execution.id, attempt.number, attempt.token),
            execution_span(execution.id), attempt.started_ms, attempt.finished_ms,
            {"dkronpy.execution": execution.id, "dkronpy.node": attempt.node, "dkronpy.attempt": attempt.number},
            attempt.state, attempt.reason, attempt.message,
        )  # fmt: skip

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()

    def _span(
        self, name: str, run: Run, span: str, parent: str, start_ms: int, end_ms: int,
        facts: Mapping[str, Any], state: str, reason: str, message: str,
    ) -> None:  # fmt: skip
        api, context = self._api, None
        trace = int(trace_id(run.id), 16)
        if parent:
            flags = api.TraceFlags(api.TraceFlags.SAMPLED)
            above = api.SpanContext(trace, int(parent, 16), is_remote=True, trace_flags=flags)
            context = api.set_span_in_context(api.NonRecordingSpan(above))
        told = {"dkronpy.job": run.job, "dkronpy.state": state, "dkronpy.reason": reason, **facts}
        with self._ids.fixed(trace, int(span, 16)):
            found = self._tracer.start_span(
                name, context=context, start_time=start_ms * _NANOS,
                attributes={key: value for key, value in told.items() if value != ""},
            )  # fmt: skip
        good = state in {"success", "skipped"}
        found.set_status(api.StatusCode.OK if good else api.StatusCode.ERROR, None if good else message or reason)
        found.end(max(start_ms, end_ms) * _NANOS)


class _Ids:
    """Hands the library the ids that were worked out, in the thread that asks."""

    def __init__(self) -> None:
        self._here = threading.local()

    @contextmanager
    def fixed(self, trace: int, span: int) -> Iterator[None]:
        """The ids of the span that is started within."""
        self._here.trace, self._here.span = trace, span
        yield

    def generate_trace_id(self) -> int:
        return int(self._here.trace)

    def generate_span_id(self) -> int:
        return int(self._here.span)

    def is_trace_id_random(self) -> bool:
        """They are hashes: as even as random ones."""
        return True
