"""Tells browsers what has changed: one reader of the event stream for all of them, a few messages a second each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import msgspec

from dkronpy.client import Client, Event
from dkronpy.errors import DkronpyError

MOST_TOPICS = 200
MOST_VIEWERS = 500
BEAT_SECONDS = 5.0
"""How often a browser hears from us when nothing changes."""
REST_SECONDS = 0.25
"""How long a browser is left alone after a message while things go on happening."""
QUICK_SECONDS = 0.03
"""And after one that came out of silence; each further one doubles it."""
_RETRY_SECONDS = 1.0
_BLOCK_MS = 1000


def topics_of(event: Event) -> set[str]:
    """What an event is about: the kind of thing, and the thing itself."""
    found = {{"node": "nodes", "leader": "leader", "job": "jobs"}.get(event.kind, "runs")}
    if "job" in event.fields:
        found.add("job:" + event.fields["job"])
    run = event.fields.get("run") or event.fields.get("execution", "").rpartition(".")[0]
    if run:
        found.add("run:" + run)
    return found


class Viewing:
    """One browser that listens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._something = loop, asyncio.Event()
        self._topics: set[str] = set()

    def tell(self, topics: set[str]) -> None:
        """From the reader's thread: these have changed."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever listened
            self._loop.call_soon_threadsafe(self._add, topics)

    def _add(self, topics: set[str]) -> None:
        self._topics |= topics
        self._something.set()

    def silent(self) -> bool:
        """Whether nothing has changed since the last look."""
        return not self._topics

    async def next(self) -> set[str]:
        """What has changed since; nothing after BEAT_SECONDS of silence."""
        try:
            await asyncio.wait_for(self._something.wait(), BEAT_SECONDS)
        except asyncio.TimeoutError:
            return set()
        self._something.clear()
        topics, self._topics = self._topics, set()
        return topics


class Pulse:
    """Reads the stream while anybody listens."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock, self._beginning = threading.Lock(), threading.Lock()
        self._viewings: set[Viewing] = set()
        self._reading = self._begun = False
        self._position = ""
        """Up to where the stream was read; what comes after is told to whoever listens by then."""

    @property
    def full(self) -> bool:
        """Whether as many listen as may."""
        return len(self._viewings) >= MOST_VIEWERS

    def begin(self) -> None:
        """Remember where the stream stands, unless it is being read: nothing that happens from now on is missed."""
        with self._beginning:  # a lock of its own: the store may take its time, and the loop takes the other one
            if not self._reading and not self._begun:
                with suppress(DkronpyError):  # a store that is away is told of when it is back
                    self._position, self._begun = self._client.position(), True

    async def listen(self, sees: Callable[[str], bool], *, resumed: bool) -> AsyncIterator[bytes]:
        """Server-Sent Events for one browser; one that comes *back* may have missed anything."""
        viewing = Viewing(asyncio.get_running_loop())
        self._join(viewing)
        try:
            yield b"retry: 1000\n\n" + _message({"all"} if resumed else set(), sees)
            rest = QUICK_SECONDS
            while True:
                rest = QUICK_SECONDS if viewing.silent() else min(2 * rest, REST_SECONDS)
                yield _message(await viewing.next(), sees)
                await asyncio.sleep(rest)
        finally:
            with self._lock:
                self._viewings.discard(viewing)

    def _join(self, viewing: Viewing) -> None:
        with self._lock:
            self._viewings.add(viewing)
            if not self._reading:
                self._reading, self._begun = True, False
                threading.Thread(target=self._read, name="dkronpy-pulse", daemon=True).start()

    def _read(self) -> None:
        pause = threading.Event()
        missed = False
        while self._wanted():
            try:
                for event in self._client.events(after=self._position or "$", block_ms=_BLOCK_MS):
                    if missed:
                        self.tell({"all"})
                        missed = False
                    if event is not None:
                        self._position = event.id
                        self.tell(topics_of(event))
                    elif not self._anybody():
                        break
            except DkronpyError:
                missed, self._position = True, ""
                self.tell({"store"})
                pause.wait(_RETRY_SECONDS)

    def _wanted(self) -> bool:
        with self._lock:
            self._reading = bool(self._viewings)
            return self._reading

    def _anybody(self) -> bool:
        with self._lock:
            return bool(self._viewings)

    def tell(self, topics: set[str]) -> None:
        """From any thread: these have changed."""
        with self._lock:
            viewings = list(self._viewings)
        for viewing in viewings:
            try:
                viewing.tell(topics)
            except RuntimeError:  # its loop was closed: the server stops
                with self._lock:
                    self._viewings.discard(viewing)


def _message(topics: set[str], sees: Callable[[str], bool]) -> bytes:
    seen = sorted(topic for topic in topics if _is_seen(topic, sees))
    if len(seen) > MOST_TOPICS:
        seen = ["all"]
    return b"id: 1\ndata: " + msgspec.json.encode(seen) + b"\n\n"


def _is_seen(topic: str, sees: Callable[[str], bool]) -> bool:
    kind, colon, name = topic.partition(":")
    return not colon or sees(name.partition("@")[0] if kind == "run" else name)
