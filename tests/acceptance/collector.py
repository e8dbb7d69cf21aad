"""A collector of OpenTelemetry for tests: it takes what OTLP over HTTP brings."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dkronpy.trace import trace_id


class Collector:
    """Takes what OTLP over HTTP brings, and, on every other path, notes the headers of who calls."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.calls: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if self.path == "/v1/traces":
                    collector.take(body)
                else:
                    collector.calls.append(self.headers["traceparent"] or "")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        """Keep the spans of a request, each with the name of its service."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]

    def of(self, run: str) -> dict[str, Any]:
        """The spans of a run's trace, by their ids."""
        return {span.span_id.hex(): (who, span) for who, span in self.spans if span.trace_id.hex() == trace_id(run)}

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


TRACED = {"OTEL_BSP_SCHEDULE_DELAY": "200", "DKRONPY_HTTP_ALLOW": "127.0.0.1"}
"""Beside the collector's address: spans are sent at once, and calls to this machine are let through."""
