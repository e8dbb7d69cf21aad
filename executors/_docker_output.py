"""Hands on what a container prints, as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound

from ._docker_container import Container

_TAIL = 32_768  # an entry of the engine's log has at most half of that


class Follower:
    """A thread that hands on what a container prints, from the *seen*-th byte on, until its output ends.

    Without *live* it ends with what there is now.
    """

    def __init__(
        self,
        container: Container,
        write: Callable[[bytes], None],
        wake: Callable[[], None],
        *,
        seen: int = 0,
        live: bool = True,
    ) -> None:
        self.seen = seen
        self.tail = b""
        """The end of what was handed on."""
        self.refused = ""
        """Why the engine does not hand out the output; empty as long as it does."""
        self._skip = seen
        self._container = container
        self._write, self._wake, self._live = write, wake, live
        self._stream: Any = None
        self._closed = False
        self._over = threading.Event()
        threading.Thread(target=self._follow, name="docker-output", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come from this thread."""
        return self._over.is_set()

    def finish(self, seconds: float, go_on: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all output was handed on; whether it was.

        That takes *seconds* at most, and as many again whenever some has come in that time and *go_on* allows it.
        """
        seen = self.seen
        while not self._over.wait(seconds):
            if seen == self.seen or not go_on():
                self._give_up()
                return False
            seen = self.seen
        return True

    def _give_up(self) -> None:
        self._closed = True
        if self._stream is not None:
            with suppress(Exception):  # its socket may be gone in many ways
                self._stream.close()
        self._over.wait(1)

    def _follow(self) -> None:
        try:
            self._stream = self._container.api.logs(
                self._container.name, stdout=True, stderr=True, stream=True, follow=self._live
            )
            for chunk in self._stream:
                if self._closed:
                    break
                fresh = chunk[self._skip :]
                self._skip -= min(self._skip, len(chunk))
                if fresh:
                    self._write(fresh)
                    self.seen += len(fresh)
                    self.tail = (self.tail + fresh)[-_TAIL:]
        except NotFound:
            pass
        except APIError as error:
            self.refused = error.explanation or str(error)
        except Exception:  # noqa: BLE001, S110 - the connection broke in one of many ways; who waits will look
            pass
        finally:
            self._stream = None
            self._over.set()
            self._wake()
