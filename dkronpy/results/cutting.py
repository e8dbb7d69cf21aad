"""Cuts the connections of an engine on which a server stands still: it holds them, and answers nothing for ever."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa


class Cutter:
    """Knows every connection of *engine*, PostgreSQL's, whose driver waits as long as the other machine is there."""

    def __init__(self, engine: sa.Engine) -> None:
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        sa.event.listen(engine, "connect", lambda connection, _: self._open.add(connection))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What goes on inside fails after so many seconds, as where the server has closed the connection."""
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        """Shut them all. Whoever waits for an answer sees the end of the connection."""
        for connection in list(self._open):
            # one that is closed has no socket
            with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as cut:
                cut.shutdown(socket.SHUT_RDWR)
