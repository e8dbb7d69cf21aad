"""The helper: the single-threaded process that forks the shims, since forking a threaded agent is unsafe.

It keeps some in advance, each with its child, and gives their sockets to the agent: a fork, and the copies of the
pages that it touches, are most of what the start of a command costs.

The agent starts it as ``python -m dkronpy.agent.process_helper --fd N`` and keeps the other end of that
socket. It lives as long as the agent: when the socket ends it waits until every shim has ended its tree, and
goes. It is the subreaper of its shims: should one be killed, the helper ends what that one guarded and tells
the agent so.

An agent has two. One's shims run programs and are as small as can be: nothing that it imports may import ``threading``,
``random`` or ``logging``, each of which writes to a good part of its memory after every fork. The other, started with
``--callables``, has loaded what the call of a Python function needs.
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
from dkronpy.agent.process_messages import (
    Hurry,
    Ready,
    Refused,
    Spare,
    make_light_pair,
    read_wish,
    receive_packet,
    send_bytes,
    send_message,
    send_packet,
    write_command,
    write_message,
)
from dkronpy.agent.process_tree import ProcessEntry, list_descendants, signal_all
from dkronpy.agent.shim import STUCK_STATUS, Shim
from dkronpy.agent.shim_messages import NO_LAUNCH, SHIM_DIED, Ended, write_launch, write_news
from dkronpy.agent.shim_program import open_program
from dkronpy.agent.waiting_child import Rehearsal
from dkronpy.plugins.command import Command

SPARES = 2
"""How many shims wait, each with its child; one that is taken is replaced as soon as nothing is asked for."""
SPARES_OF_CALLABLES = 4
"""As above where they rehearse, so that the one that is taken next has done with it."""
_IDLE_MS = 1.0
_ROUNDS_OF_PRACTICE = 10
"""Python specialises bytecode when it has run for the eighth time."""
_SWEEP_LIMIT = 3.0
_LAST_WAIT = 10.0
_SHIMS_SOCKET = 3


class Helper:
    """Forks shims for the agent, and looks after those that die. So many wait; the child of each does *rehearse*.

    They become the compiled shim where it is open as *program*.
    """

    def __init__(self, agent: socket.SocketType, spares: int, rehearse: Rehearsal, program: int | None) -> None:
        self._agent = agent
        self._rehearse = rehearse
        self._wanted = spares
        self._program = program
        self._shims: dict[int, int] = {}
        """By process, the shim's end of its socket, to speak for it should it be killed."""
        self._spares: set[int] = set()
        self._at_limit = False
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
        if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:  # as a shell has it that started the agent with `&`
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        process_linux.become_subreaper()
        self._practise()
        gc.collect()
        gc.freeze()
        gc.disable()
        send_message(self._agent, Ready(compiled=self._program is not None))
        poller = select.poll()
        poller.register(self._agent, select.POLLIN)
        poller.register(self._wakeup[0], select.POLLIN)
        while True:
            events = poller.poll(None if self._at_limit or len(self._spares) >= self._wanted else _IDLE_MS)
            for fd, _ in events:
                if fd == self._agent.fileno() and not self._hear():
                    self._finish()
                    return
            self._reap()
            if not events:
                self._fork_spare()

    def _practise(self) -> None:
        """Be a shim, to the end of a command, before any is forked.

        What the first run of code changes in memory (types that get ready, caches, bytecode that is specialised) is so
        changed once, where all share it, and not in each shim, where each page of it is a copy and takes time.
        """
        before = _descriptors()
        with suppress(OSError):  # at a limit just now: they do without
            command = os.memfd_create("dkronpy")
            os.write(command, write_command(Command(argv=("true",), env={"PATH": os.defpath})))
            for _ in range(_ROUNDS_OF_PRACTICE):
                agents, shims = make_light_pair()
                _, writing = os.pipe()
                send_packet(agents, write_launch(NO_LAUNCH), [command, command, writing, writing])
                Shim(os.getppid(), lambda _keep: None).run(shims)
                for sock in (agents, shims):
                    sock.close()
        signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        process_linux.signal_on_parent_death(0)
        for fd in _descriptors() - before:
            os.close(fd)

    def _hear(self) -> bool:
        """Do what the agent wishes; False once it is gone."""
        try:
            packet, _ = receive_packet(self._agent)
        except ConnectionResetError:
            return False
        if not packet:
            return False
        self._at_limit = False
        wish = read_wish(packet)
        if isinstance(wish, Hurry):
            try:
                self._fork_shim()
            except OSError as exc:
                send_message(self._agent, Refused(error=exc.errno or 0))
        else:
            self._spares.discard(wish.pid)
        return True

    def _fork_spare(self) -> None:
        """One more shim in advance, in a moment in which nothing is asked for."""
        try:
            self._fork_shim()
        except OSError:
            self._at_limit = True

    def _fork_shim(self) -> None:
        """Fork a shim and give the other end of its socket to the agent.

        Raises OSError at a limit of processes, memory or descriptors.
        """
        ours, theirs = make_light_pair()
        last = max(ours.fileno(), theirs.fileno(), self._agent.fileno(), *self._wakeup, *self._shims.values())
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            self._run_shim(theirs.detach(), last)
        self._shims[pid] = theirs.detach()
        self._spares.add(pid)
        send_packet(self._agent, write_message(Spare(pid=pid)), [ours.fileno()])
        ours.close()

    def _run_shim(self, fd: int, last: int) -> None:
        """In the forked process: be the shim on its socket, *fd*, and end. No descriptor is above *last*."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            os.dup2(fd, _SHIMS_SOCKET, inheritable=False)
            kept = last if self._program is None else self._program
            os.closerange(_SHIMS_SOCKET + 1, kept)
            os.closerange(kept + 1, last + 1)
            status = Shim(self._pid, self._rehearse, self._program).run(socket.SocketType(fileno=_SHIMS_SOCKET))
        except BaseException:  # noqa: BLE001 - nothing may return into the helper's loop
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        try:
            os.read(self._wakeup[0], 4096)
        except BlockingIOError:
            return
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._forget(*ended)

    def _forget(self, pid: int, status: int) -> None:
        fd = self._shims.pop(pid, None)
        if fd is None:  # left behind by a shim that was killed
            return
        if pid in self._spares:  # its child was killed, or cannot so much as wait: no more before one is asked for
            self._spares.discard(pid)
            self._at_limit = True
        control = socket.SocketType(fileno=fd)
        if os.waitstatus_to_exitcode(status) not in (0, STUCK_STATUS):  # those have told the agent themselves
            send_bytes(control, write_news(Ended(cause=SHIM_DIED, gone=self._sweep())))
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


def _descriptors() -> set[int]:
    """All that are open, without the one that lists them, which is closed by the time they are looked at."""
    listed = os.listdir("/proc/self/fd")  # noqa: PTH208 - plain names
    return {int(name) for name in listed if os.path.lexists(f"/proc/self/fd/{name}")}


def _note(_number: int, _frame: object) -> None:
    """A handler must exist for Python to write the signal's number to the wakeup descriptor."""


def main() -> None:
    """Take the socket named on the command line and serve it."""
    fd = int(sys.argv[sys.argv.index("--fd") + 1])
    os.set_inheritable(fd, False)
    sys.path[:] = [entry for entry in sys.path if entry not in ("", "/")]
    program = None if "--python-shim" in sys.argv else open_program()
    if "--callables" in sys.argv:
        from dkronpy.agent.process_callable import rehearse  # what a call needs is loaded once for all of them

        Helper(socket.SocketType(fileno=fd), SPARES_OF_CALLABLES, rehearse, program).serve()
    else:
        Helper(socket.SocketType(fileno=fd), SPARES, lambda _keep: None, program).serve()


if __name__ == "__main__":
    main()
