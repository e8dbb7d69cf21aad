"""The helper: the single-threaded process that forks the shims, since forking a threaded agent is unsafe.

It keeps some in advance, each with its child, which wait for what the agent will ask for: a fork, and the copies of
the pages that it touches, are most of what the start of a command costs.

The agent starts it as ``python -m dkronpy.agent.process_helper --fd N`` and keeps the other end of that
socket. It lives as long as the agent: when the socket ends it waits until every shim has ended its tree, and
goes. It is the subreaper of its shims: should one be killed, the helper ends what that one guarded and tells
the agent so.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from dkronpy.agent import process_linux
from dkronpy.agent.process_messages import Ended, Prepared, make_packet_pair, receive_packet, send_message
from dkronpy.agent.process_tree import ProcessEntry, list_descendants, signal_all
from dkronpy.agent.shim import STUCK_STATUS, Shim, cannot_fork
from dkronpy.plugins.executor import Exit

SPARES = 2
"""How many shims wait, each with its child; one that is taken is replaced as soon as nothing is asked for."""
_IDLE_MS = 2.0
_SWEEP_LIMIT = 3.0
_LAST_WAIT = 10.0


class Helper:
    """Forks a shim for every launch that the agent asks for, and looks after those that die."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._shims: dict[int, socket.socket] = {}
        self._spares: list[WaitingShim] = []
        self._wants_spares = True
        self._pid = os.getpid()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._wakeup = (reading, writing)

    def serve(self) -> None:
        """Serve the agent until it goes, then wait for the shims to end their trees."""
        signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Only SIGCHLD is heeded: a service manager signals all of an agent's processes at once. Handlers,
            # not SIG_IGN: that would be handed down to the programs.
            signal.signal(number, _note)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        process_linux.become_subreaper()
        gc.collect()
        gc.freeze()
        gc.disable()
        send_message(self._agent, Prepared())
        poller = select.poll()
        poller.register(self._agent, select.POLLIN)
        poller.register(self._wakeup[0], select.POLLIN)
        while True:
            events = poller.poll(_IDLE_MS if self._wants_spares else None)
            for fd, _ in events:
                if fd == self._agent.fileno() and not self._take_request():
                    self._finish()
                    return
            self._reap()
            if not events:
                self._fork_spare()

    def _take_request(self) -> bool:
        """Hand the next request to a shim; False once there will be none."""
        try:
            packet, fds = receive_packet(self._agent)
        except ConnectionResetError:
            return False
        if not packet:
            return False
        control = socket.socket(fileno=fds[0])
        try:
            while not (shim := self._spares.pop(0) if self._spares else self._fork_shim()).launch(packet, fds):
                pass  # somebody has killed that one
            self._shims[shim.pid] = control
        except OSError as exc:
            send_message(control, Ended(exit=cannot_fork(exc)))
            control.close()
        for fd in fds[1:]:
            os.close(fd)
        self._wants_spares = True
        return True

    def _fork_shim(self) -> WaitingShim:
        """A shim that waits for its launch.

        Raises OSError at a limit of processes, memory or descriptors.
        """
        ours, theirs = make_packet_pair()
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                ours.close()
                self._run_shim(theirs)
        return WaitingShim(pid, ours)

    def _fork_spare(self) -> None:
        """One more shim in advance, in a moment in which nothing is asked for."""
        try:
            self._spares.append(self._fork_shim())
        except OSError:
            self._wants_spares = False
        else:
            self._wants_spares = len(self._spares) < SPARES

    def _run_shim(self, sock: socket.socket) -> None:
        """In the forked process: be the shim, and end."""
        status = 1
        try:
            os.setsid()
            for unrelated in (self._agent, *self._shims.values()):
                unrelated.close()
            for spare in self._spares:
                spare.close()
            status = Shim(self._pid).run(sock)
        except BaseException:  # noqa: BLE001 - nothing may return into the helper's loop
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup[0], 4096)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._forget(*ended)

    def _forget(self, pid: int, status: int) -> None:
        control = self._shims.pop(pid, None)
        if control is None:  # a spare, or left behind by a shim that was killed
            for spare in [one for one in self._spares if one.pid == pid]:
                spare.close()
                self._spares.remove(spare)
            return
        if os.waitstatus_to_exitcode(status) not in (0, STUCK_STATUS):  # those have told the agent themselves
            gone = self._sweep()
            message = "the shim that guarded the command was killed; what it had started was ended"
            send_message(control, Ended(exit=Exit(reason="executor_error", message=message, confirmed_gone=gone)))
        control.close()

    def _sweep(self) -> bool:
        """Kill every descendant that belongs to no living shim; whether all of them were seen gone."""
        deadline = time.monotonic() + _SWEEP_LIMIT
        while orphans := self._find_orphans():
            signal_all((entry.pid for entry in orphans), signal.SIGKILL)
            for entry in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(entry.pid, os.WNOHANG)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _find_orphans(self) -> list[ProcessEntry]:
        guarded = {*self._shims, *(spare.pid for spare in self._spares)}
        orphans = []
        for entry in list_descendants(self._pid):  # parents come before their children
            if entry.parent in guarded:
                guarded.add(entry.pid)
            elif entry.pid not in guarded:
                orphans.append(entry)
        return orphans

    def _finish(self) -> None:
        """The agent is gone: every shim sees that by itself; wait for them, and end those that hang."""
        for spare in self._spares:
            spare.close()
        signal_all(self._shims, signal.SIGTERM)  # only those that mind processes which may stay heed it
        deadline = time.monotonic() + _LAST_WAIT
        while (self._shims or self._spares) and (left := deadline - time.monotonic()) > 0:
            select.select([self._wakeup[0]], [], [], left)
            self._reap()
        if self._shims:
            signal_all(self._shims, signal.SIGKILL)
            self._shims.clear()
            self._sweep()


class WaitingShim:
    """The helper's handle on a shim that waits: its process, and the socket over which it takes its launch."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self._socket = sock

    def launch(self, packet: bytes, fds: list[int]) -> bool:
        """Hand over a launch; False where the spare is gone already."""
        with self._socket, suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._socket, [packet], fds)
            return True
        return False

    def close(self) -> None:
        """Let go of it; one that still waits ends by itself."""
        self._socket.close()


def _note(_number: int, _frame: object) -> None:
    """A handler must exist for Python to write the signal's number to the wakeup descriptor."""


def main() -> None:
    """Take the socket named on the command line and serve it."""
    fd = int(sys.argv[sys.argv.index("--fd") + 1])
    os.set_inheritable(fd, False)
    sys.path[:] = [entry for entry in sys.path if entry not in ("", "/")]
    Helper(socket.socket(fileno=fd)).serve()


if __name__ == "__main__":
    main()
