"""All jobs, kept by this server and brought up to date by the event stream, so that lists need not read them all."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from dkronpy.client import Client, JobView
from dkronpy.clock import Clock
from dkronpy.store.connection import Store
from dkronpy.store.events import changes_of
from dkronpy.store.jobs import Jobs

READ_ANEW = timedelta(minutes=5)
"""What no event tells of (somebody else's tool changed RedBeat's schedule) is seen after this long."""
_MOST_CHANGES = 2000
EVENTS_KEPT = 10_000


class Catalogue:
    """Thread-safe. A list is as fresh as the store: each one asks which jobs had events since the last."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._lock = threading.Lock()
        self._views: dict[str, JobView] = {}
        self._by_name: list[JobView] = []
        self._cursor: tuple[int, int] | None = None
        self._read_at = 0.0

    def views(self) -> list[JobView]:
        """Every job, by name. Raises StoreUnavailableError."""
        store = self._client.deployment.store
        with self._lock, store.errors():
            oldest, newest = _ends(store)
            age = self._clock.monotonic() - self._read_at
            cursor = self._cursor
            if cursor is None or newest is None or oldest is None or age > READ_ANEW.total_seconds():
                self._read_all(newest)
            elif newest != cursor:
                known = oldest <= cursor < newest  # else events are missing, or it is another stream
                changed = _changed(store, cursor, newest) if known else None
                if changed is None or len(changed) > _MOST_CHANGES:
                    self._read_all(newest)
                else:
                    self._read_some(changed)
                    self._cursor = newest
            return self._by_name

    def _read_all(self, newest: tuple[int, int] | None) -> None:
        jobs = self._client.deployment.jobs
        self._views = {view.job.name: view for view in views_of(jobs, jobs.names())}
        self._by_name = [self._views[name] for name in sorted(self._views)]
        self._cursor, self._read_at = newest, self._clock.monotonic()

    def _read_some(self, names: set[str]) -> None:
        jobs = self._client.deployment.jobs
        fresh = {view.job.name: view for view in views_of(jobs, sorted(names))}
        involved = [*fresh.values(), *(self._views[name] for name in names if name in self._views)]
        parents = {parent for view in involved for parent in view.job.after} - names  # they name their followers
        fresh.update({view.job.name: view for view in views_of(jobs, sorted(parents))})
        views = dict(self._views)
        for name in names | parents:
            views.pop(name, None)
        views.update(fresh)
        self._views, self._by_name = views, [views[name] for name in sorted(views)]


def views_of(jobs: Jobs, names: list[str]) -> list[JobView]:
    """The named jobs as far as they exist."""
    return [JobView(stored=stored, state=state) for stored, state in jobs.with_states(names)]


def tell_changed(store: Store, job: str) -> None:
    """Put an event about a job into the stream, where something of it was changed without one."""
    event = {"event": "job", "job": job, "state": "changed"}
    store.client.xadd(store.keys.events, event, maxlen=EVENTS_KEPT, approximate=True)


def _ends(store: Store) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    with store.client.pipeline(transaction=False) as pipe:
        pipe.xrange(store.keys.events, count=1)
        pipe.xrevrange(store.keys.events, count=1)
        first, last = pipe.execute()
    return _place(first), _place(last)


def _place(rows: Iterable[tuple[bytes, object]]) -> tuple[int, int] | None:
    for name, _ in rows:
        milliseconds, _, number = name.decode().partition("-")
        return int(milliseconds), int(number)
    return None


def _changed(store: Store, after: tuple[int, int], until: tuple[int, int]) -> set[str]:
    """The jobs that the events between two places speak of."""
    rows = store.client.xrange(store.keys.events, min=f"({after[0]}-{after[1]}", max=f"{until[0]}-{until[1]}")
    return {fields["job"] for _, row in rows for fields in changes_of(row) if "job" in fields}
