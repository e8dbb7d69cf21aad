"""A tiny endpoint that says whether this deployment is well: ``GET /health``, 200 while a beat leads, 503 otherwise."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from dkronpy.client import Client
from dkronpy.clock import iso_ms
from dkronpy.errors import ConfigError, DkronpyError

HEALTH_VARIABLE = "DKRONPY_HEALTH_URL"
PATH = "/health"


class HealthEndpoint:
    """Listens from the start, so that jobs can be told its URL; answers 503 until ``watch`` gave it a deployment.

    Raises ConfigError when the address cannot be listened on.
    """

    def __init__(self, address: str, port: int) -> None:
        self._client: Client | None = None
        try:
            self._server = _server(address, port, self._report)
        except OSError as error:
            raise ConfigError(
                f"health_address, health_port: cannot listen on {address}:{port}: {error.strerror or error}",
                hint="choose another with DKRONPY_HEALTH_PORT; 0 lets the system choose",
            ) from None
        self.url = _url(address, self._server.server_address[1]) + PATH
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)
        self._thread.start()

    def watch(self, client: Client) -> None:
        """Answer from this deployment's status from now on."""
        self._client = client

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _report(self) -> tuple[int, dict[str, Any]]:
        if self._client is None:
            return 503, {"status": "starting"}
        try:
            status = self._client.status()
        except DkronpyError as error:
            return 503, {"status": "the store is away", "error": str(error)}
        nodes = [node.name for node in status.nodes if node.alive]
        leader = status.leader
        if leader is None:
            return 503, {"status": "no beat leads", "beat": None, "nodes": nodes}
        beat = {"name": leader.holder, "epoch": leader.epoch, "since": iso_ms(leader.since_ms)}
        return 200, {"status": "ok", "beat": beat, "nodes": nodes}


def _server(address: str, port: int, report: Callable[[], tuple[int, dict[str, Any]]]) -> ThreadingTCPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0
        server_version, sys_version = "dkronpy", ""

        def do_GET(self) -> None:
            code, body = report() if self.path.partition("?")[0] == PATH else (404, {"status": f"look at {PATH}"})
            content = json.dumps(body).encode() + b"\n"
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing: an asker every second would drown the roles."""

    class Server(ThreadingTCPServer):  # http.server's own asks DNS for the host's name, which may take long
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Say nothing: an asker that hung up is no news."""

    return Server((address, port), Handler)


def _url(address: str, port: int) -> str:
    """The URL at which programs on this machine reach the address."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - is looked up
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
