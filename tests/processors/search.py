"""A server for tests that speaks Elasticsearch's protocol, its documents in memory (osmem)."""

from __future__ import annotations

from pathlib import Path

import requests
from osmem_server import resolve_binary

from tests.executors.services.process import ServerProcess


class SearchServer(ServerProcess):
    """An empty search server."""

    def command(self) -> list[str | Path]:
        return [resolve_binary(), "-addr", self.address, "-no-stdin-watch"]

    def ready(self) -> bool:
        try:
            return requests.get(self.url, timeout=1).ok
        except requests.ConnectionError:
            return False

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``"""
        return f"http://{self.address}"
