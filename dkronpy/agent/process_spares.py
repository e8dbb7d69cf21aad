"""The agent's end of one helper: starts it, and takes from it the shims that wait for a launch."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from dkronpy.agent.process_handle import HelperError
from dkronpy.agent.process_messages import (
    Hurry,
    Offer,
    Ready,
    Refused,
    Spare,
    Taken,
    make_packet_pair,
    read_offer,
    receive_packet,
    send_message,
)
from dkronpy.agent.shim_exit import cannot_start
from dkronpy.plugins.command import Exit

_ANSWER_SECONDS = 30.0
# The helper gets no more of the agent's environment than Python needs: the rest may hold secrets, and a
# callable could read them in its memory.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME")
_ROOM_FOR_EXECUTION_ID = "-" * 512


class WaitingShim:
    """A shim that waits for its launch: its process, and the socket over which it takes it."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self.socket = sock


class Spares:
    """The shims of one helper that wait; safe to use from many threads.

    The helper is started as a program of its own (never by a bare fork), which is safe at any time in a process with
    threads; one that has died is replaced when the next shim is taken.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._waiting: deque[WaitingShim] = deque()
        self._stopped = False
        self.compiled = False
        """Whether the shims of the last helper that was started are the compiled one."""

    @property
    def alive(self) -> bool:
        """Whether the helper process runs."""
        helper = self._helper
        return helper is not None and helper.poll() is None

    @property
    def helper_pid(self) -> int | None:
        """The process id of the helper; None while there is none."""
        helper = self._helper
        return None if helper is None else helper.pid

    def start(self) -> None:
        """Start the helper unless it runs. Raises HelperError when it cannot be started."""
        with self._lock:
            self._stopped = False
            self._ensure_helper()

    def permit(self) -> None:
        """Undo ``refuse``; the helper is started when the first shim is taken."""
        with self._lock:
            self._stopped = False

    def refuse(self) -> None:
        """Give out no shim any more."""
        with self._lock:
            self._stopped = True

    def stop(self, seconds: float) -> None:
        """Let the helper go, or kill it after so many seconds."""
        with self._lock:
            self._drop_helper(seconds)

    def take(self) -> WaitingShim | Exit | None:
        """A shim; how the command ends where the node can have no more of them; None where the helper has just died.

        Raises HelperError after ``refuse``, or for a helper that does not start or answer, OSError for want of
        descriptors.
        """
        with self._lock:
            helper = self._ensure_helper()
            try:
                while not self._waiting and self._receive(helper, 0):
                    pass
                if self._waiting:
                    return self._waiting.popleft()
                refused = self._hurry(helper)
            except (BrokenPipeError, ConnectionResetError):
                self._drop_helper(0)
                return None
            return refused or self._waiting.popleft()

    def replace(self, shim: WaitingShim) -> None:
        """Have the helper fork another for one that was taken, as soon as it has nothing better to do."""
        with self._lock:
            if self._socket is not None:
                send_message(self._socket, Taken(pid=shim.pid))

    def _hurry(self, helper: socket.socket) -> Exit | None:
        """Ask for a shim and wait for it; the answer where there can be none."""
        if not send_message(helper, Hurry()):
            raise BrokenPipeError
        while not self._waiting:
            offer = self._receive(helper, _ANSWER_SECONDS)
            if offer is None:
                raise HelperError(f"the helper process did not answer within {_ANSWER_SECONDS:g} s")
            if isinstance(offer, Refused):
                return cannot_start(offer.error)
        return None

    def _receive(self, helper: socket.socket, seconds: float) -> Offer | None:
        """What the helper says next, a shim being kept; None if it says nothing in that time.

        Raises ConnectionResetError when the helper is gone.
        """
        poller = select.poll()
        poller.register(helper, select.POLLIN)
        if not poller.poll(seconds * 1000):
            return None
        packet, fds = receive_packet(helper)
        if not packet:
            raise ConnectionResetError
        offer: Offer = read_offer(packet)
        if isinstance(offer, Spare):
            self._waiting.append(WaitingShim(offer.pid, socket.socket(fileno=fds[0])))
        return offer

    def _ensure_helper(self) -> socket.socket:
        if self._stopped:
            raise HelperError("no command is started any more: the agent is stopping")
        if self._socket is not None and self.alive:
            return self._socket
        self._drop_helper(0)
        ours, theirs = make_packet_pair()
        with theirs:
            fd = theirs.fileno()
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "dkronpy.agent.process_helper", "--fd", str(fd), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_helper_environment(),
                pass_fds=(fd,),
                start_new_session=True,
            )
        self._socket = ours
        ready: Offer | None = None
        with suppress(ConnectionResetError):
            ready = self._receive(ours, _ANSWER_SECONDS)
        if isinstance(ready, Ready):
            self.compiled = ready.compiled
        else:
            self._drop_helper(0)
            raise HelperError(
                f"the helper process of the agent did not start ({sys.executable}); its own words are above"
            )
        return ours

    def _drop_helper(self, seconds: float) -> None:
        """Close the connections and collect the helper, which goes by itself within *seconds* or is killed."""
        while self._waiting:
            self._waiting.popleft().socket.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._helper is not None:
            with suppress(subprocess.TimeoutExpired):
                self._helper.wait(seconds)
            self._helper.kill()
            self._helper.wait()
            self._helper = None


def _helper_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return kept | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "DKRONPY_RESERVED": _ROOM_FOR_EXECUTION_ID}
