"""Counts the answers that this server gave, by method, route and status."""

from __future__ import annotations

import threading
from collections import Counter

from litestar.types import HTTPScope


class Traffic:
    """Thread-safe. Routes are those that are declared, so that there are only so many series."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, scope: HTTPScope, status: int) -> None:
        """One more answer."""
        template = scope.get("path_template")
        route = str(template) if template else "none"
        method = scope["method"] if route != "none" else "other"
        with self._lock:
            self._counts[method, route, str(status)] += 1

    def all(self) -> dict[tuple[str, str, str], int]:
        """How many, by method, route and status."""
        with self._lock:
            return dict(self._counts)
