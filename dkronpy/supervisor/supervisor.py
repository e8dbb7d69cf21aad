"""Keeps roles running: restarts with growing pauses what ends, and stops all in order when it is told to.

Everything happens in the thread that calls ``turn`` and ``stop``; other threads and signal handlers only put events
into the queue.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from types import FrameType

from dkronpy.clock import Clock
from dkronpy.supervisor.console import Console
from dkronpy.supervisor.process import Child, Role, describe_end

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK = 0.2  # seconds between two looks at the queue while a child is being stopped


@dataclass(frozen=True, kw_only=True)
class BackOff:
    """How long to wait before a role is started again: doubling from ``first`` to ``most``.

    A role that ran for ``steady`` starts from ``first`` again.
    """

    first: timedelta = timedelta(seconds=0.5)
    most: timedelta = timedelta(seconds=30)
    steady: timedelta = timedelta(seconds=20)

    def pause(self, failures: int) -> timedelta:
        """The pause after so many ends in a row (from 1)."""
        doubled: timedelta = self.first * 2 ** min(failures - 1, 30)
        return min(self.most, doubled)


@dataclass
class _Post:
    """A role's place: its child while it runs, when it is to be started next otherwise."""

    role: Role
    child: Child | None = None
    started: float = 0.0
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """The roles of one `up`, in the order in which they were started."""

    def __init__(self, console: Console, clock: Clock, back_off: BackOff | None = None) -> None:
        self._console, self._clock = console, clock
        self._back_off = back_off or BackOff()
        self._posts: list[_Post] = []
        self._events: SimpleQueue[tuple[Child, int] | str | None] = SimpleQueue()
        self._hurry = False
        self.stop_reason = ""
        """Why it shall stop: the name of the signal that said so; empty while it shall go on."""

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Within the block SIGINT, SIGTERM and SIGHUP ask for a stop; a second one for a quick one."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, role: Role) -> None:
        """Start a role and keep it running from now on."""
        post = _Post(role)
        self._posts.append(post)
        self._launch(post)

    def runs(self, name: str) -> bool:
        """Whether the role has a process at this moment."""
        return any(post.child is not None for post in self._posts if post.role.name == name)

    def wake(self) -> None:
        """End the ``turn`` that is going on. Any thread may call it."""
        self._events.put(None)

    def turn(self, limit: timedelta) -> None:
        """Wait for one event, for *limit* at most, and do what it asks for."""
        wait = limit.total_seconds()
        for post in self._posts:
            if post.restart_at is not None:
                wait = min(wait, post.restart_at - self._clock.monotonic())
        self._take_event(max(0.0, wait))
        for post in self._posts:
            if post.restart_at is not None and post.restart_at <= self._clock.monotonic() and not self.stop_reason:
                self._launch(post)

    def wait_until(self, done: Callable[[], bool], *, look: timedelta = timedelta(milliseconds=50)) -> bool:
        """Turn until *done*, asked again and again; False when a stop was asked for meanwhile."""
        while not self.stop_reason:
            if done():
                return True
            self.turn(look)
        return False

    def stop(self) -> None:
        """End the roles, the last started first, each within its time, by KILL when that is over."""
        for post in reversed(self._posts):
            post.restart_at = None
            child, post.child = post.child, None
            if child is not None:
                self._end(child)

    def _launch(self, post: _Post) -> None:
        post.restart_at = None
        post.started = self._clock.monotonic()
        try:
            post.child = Child(post.role, on_line=self._console.log, on_end=self._report_end)
        except OSError as error:  # no memory or no process to be had: that may pass
            self._plan_restart(post, f"{post.role.name} cannot be started: {error.strerror}")

    def _take_event(self, wait: float) -> None:
        try:
            event = self._events.get(timeout=wait)
        except Empty:
            return
        if isinstance(event, str):
            self._hurry = bool(self.stop_reason)
            self.stop_reason = self.stop_reason or event
        elif event is not None:
            self._on_end(*event)

    def _on_end(self, child: Child, status: int) -> None:
        post = next((post for post in self._posts if post.child is child), None)
        if post is None:  # it was stopped on purpose
            return
        post.child = None
        self._plan_restart(post, f"{post.role.name} (pid {child.pid}) {describe_end(status)}")

    def _plan_restart(self, post: _Post, what: str) -> None:
        now = self._clock.monotonic()
        steady = now - post.started >= self._back_off.steady.total_seconds()
        post.failures = 1 if steady else post.failures + 1
        pause = self._back_off.pause(post.failures).total_seconds()
        post.restart_at = now + pause
        if not self.stop_reason:
            self._console.say(f"{what}; starting it again in {pause:g} s")

    def _end(self, child: Child) -> None:
        name, within = child.role.name, child.role.stop_within
        until = self._clock.monotonic() + within.total_seconds()
        child.ask_to_stop()
        while not child.wait(timedelta(seconds=min(_LOOK, until - self._clock.monotonic()))):
            self._take_event(0.0)
            if self._hurry or self._clock.monotonic() >= until:
                why = "a second signal" if self._hurry else f"it did not stop within {within.total_seconds():g} s"
                self._console.say(f"{name} (pid {child.pid}) is killed: {why}")
                child.kill()
                child.wait(timedelta(seconds=10))
                return

    def _report_end(self, child: Child, status: int) -> None:
        self._events.put((child, status))

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._events.put(signal.Signals(number).name)
