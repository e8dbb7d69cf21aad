"""The helper: the single-threaded process that forks the shims, since forking a threaded agent is unsafe.

The agent starts it as ``python -m dkronpy.agent.process_helper --fd N`` and keeps the other end of that
socket. It lives as long as the agent: when the socket ends it waits until every shim has ended its tree, and
goes. It is the subreaper of its shims: should one be killed, the helper ends what that one guarded and tells
the agent so.
"""

from __future__ import annotations

import array
import gc
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

import msgspec

from dkronpy.agent import process_linux
from dkronpy.agent.process_messages import PACKET_BYTES, Ended, Launch, Prepared, send_message
from dkronpy.agent.process_tree import ProcessEntry, list_descendants, signal_all
from dkronpy.agent.shim import STUCK_STATUS, Shim, cannot_fork
from dkronpy.plugins.executor import Command, Exit

_MAX_FDS = 4
_STDIN_AT = 3
_SWEEP_LIMIT = 3.0
_LAST_WAIT = 10.0


class Helper:
    """Forks a shim for every launch that the agent asks for, and looks after those that die."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._shims: dict[int, socket.socket] = {}
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
            for fd, _ in poller.poll():
                if fd == self._agent.fileno() and not self._take_request():
                    self._finish()
                    return
            self._reap()

    def _take_request(self) -> bool:
        """Fork a shim for the next request; False once there will be none."""
        try:
            packet, fds = _receive(self._agent)
        except ConnectionResetError:
            return False
        if not packet:
            return False
        control = socket.socket(fileno=fds[0])
        try:
            # Decoded here, not in the shim: what a freshly forked process touches is copied, page by page.
            launch = msgspec.json.decode(packet, type=Launch)
            with open(fds[2], "rb", closefd=False) as file:
                command = msgspec.msgpack.decode(file.read(), type=Command)
            shim = Shim(control, launch, command, self._pid)
            pid = os.fork()
        except OSError as exc:
            self._refuse(control, cannot_fork(exc))
        except msgspec.MsgspecError as exc:
            self._refuse(control, Exit(reason="spawn_failed", message=f"this is not a command: {exc}"))
        else:
            if pid == 0:
                self._run_shim(shim, fds)
            self._shims[pid] = control
        for fd in fds[1:]:
            os.close(fd)
        return True

    @staticmethod
    def _refuse(control: socket.socket, ended: Exit) -> None:
        send_message(control, Ended(exit=ended))
        control.close()

    def _run_shim(self, shim: Shim, fds: list[int]) -> None:
        """In the forked process: be the shim, and end."""
        status = 1
        try:
            os.setsid()
            for unrelated in (self._agent, *self._shims.values()):
                unrelated.close()
            os.close(fds[2])
            stdin = fds[3] if len(fds) > _STDIN_AT else os.open(os.devnull, os.O_RDONLY)
            status = shim.run(stdin=stdin, output=fds[1])
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
        if control is None:  # left behind by a shim that was killed
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
        guarded = set(self._shims)
        orphans = []
        for entry in list_descendants(self._pid):  # parents come before their children
            if entry.parent in guarded:
                guarded.add(entry.pid)
            elif entry.pid not in guarded:
                orphans.append(entry)
        return orphans

    def _finish(self) -> None:
        """The agent is gone: every shim sees that by itself; wait for them, and end those that hang."""
        signal_all(self._shims, signal.SIGTERM)  # only those that mind processes which may stay heed it
        deadline = time.monotonic() + _LAST_WAIT
        while self._shims and (left := deadline - time.monotonic()) > 0:
            select.select([self._wakeup[0]], [], [], left)
            self._reap()
        if self._shims:
            signal_all(self._shims, signal.SIGKILL)
            self._shims.clear()
            self._sweep()


def _receive(sock: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and its descriptors, none of which a program that is run later inherits."""
    fds = array.array("i")
    room = socket.CMSG_LEN(_MAX_FDS * fds.itemsize)
    packet, ancillary, _, _ = sock.recvmsg(PACKET_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return packet, list(fds)


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
