"""How long a server waits for its clients: whoever holds a connection and neither sends nor reads loses it.

uvicorn closes what is idle between two requests. This is about those that stop in the middle of one, of which a few
thousand would take every descriptor that the server may have.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from dkronpy.api.peer import SOCKET, inode_of


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """One connection, looked at now and then. Times are in seconds."""

    headers_within = 10.0
    """The headers of a request, from the connection or the last answer on."""
    body_goes_on_within = 30.0
    """Something more of a body that has begun."""
    reads_within = 300.0
    """Something of an answer that waits to be read; a pager may stand in front of its reader."""
    look_every = 2.0

    def connection_made(self, transport: Any) -> None:
        """Begin to look; requests say by which socket they came."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, SOCKET: inode_of(transport.get_extra_info("socket"))}
        self._ready: float = self.loop.time()
        self._came = self._went = self._ready
        self._unread: int = 0
        self._look = self.loop.call_later(self.look_every, self._judge)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._came = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """An answer is out; the time for the next request begins."""
        self._ready = self.loop.time()
        super().on_response_complete()

    def _judge(self) -> None:
        now, unread = self.loop.time(), self.transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread, self._went = unread, now
        if self._overdue(now):
            self.transport.abort()
        else:
            self._look = self.loop.call_later(self.look_every, self._judge)

    def _overdue(self, now: float) -> bool:
        """Whether the client has been waited for long enough; what waits for us is no fault of its own."""
        cycle = self.cycle
        if self._unread:
            waited, within = now - self._went, self.reads_within
        elif cycle is None or cycle.response_complete:
            waited, within = now - self._ready, self.headers_within
        elif cycle.more_body and not self.flow.read_paused:
            waited, within = now - self._came, self.body_goes_on_within
        else:
            return False
        return bool(waited > within)
