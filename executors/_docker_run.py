"""Runs one container: makes it, follows it, judges its end, and sees that nothing of it is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from docker.errors import ImageNotFound

from dkronpy.clock import SystemClock, from_ms
from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Exit, Outcome
from dkronpy.plugins.values import as_timedelta

from ._docker_container import Container, fetch, name_of
from ._docker_leftovers import remove_earlier, remove_leftovers
from ._docker_output import Follower
from ._process import ProcessOptions, outcome_of
from ._watch import Answer, EndedEarly, Watch, in_time

if TYPE_CHECKING:
    from ._docker_engine import Engine, Engines
    from .docker import Docker

T = TypeVar("T")

_CHECK = 15.0
_AGAIN = 0.25
_DRAIN = 5.0
_CLEAN_UP = 30.0
_NEVER = "0001-01-01"


class ContainerRun:
    """An attempt in a container. *limit* is the option's; *patience* are seconds that an engine may be away."""

    def __init__(
        self, options: Docker, context: ExecutionContext, engines: Engines, limit: timedelta | None, patience: float
    ) -> None:
        self._options, self._context, self._engines = options, context, engines
        self._patience = patience
        self._watch = Watch(context, limit)
        self._name = name_of(context)
        self._lock = threading.Lock()
        self._made = False
        self._follower: Follower | None = None
        self._outage = False

    def run(self) -> Outcome:
        """Run it; nothing of it is left when this returns, or the message says so."""
        self._engines.running.add(self._name)
        try:
            self._watch.call(self._make, late=lambda _: self._ask(Container.remove))
            state = self._attend()
            outcome = self._judge(state)
            return msgspec.structs.replace(outcome, message=outcome.message + self._remove())
        except EndedEarly as early:
            return self._end(early.pending)
        finally:
            if self._follower is not None:
                self._follower.finish(0)
            self._engines.running.discard(self._name)

    # The container is made.

    def _ask(self, work: Callable[[Container], T]) -> T:
        with self._engines.use(self._options) as engine:
            return work(Container(engine, self._name))

    def _go_on(self) -> None:
        if self._watch.reason:
            raise EndedEarly

    def _make(self) -> None:
        """In a thread: sweep, fetch, create, start. Leaves no container behind where it fails."""
        with self._engines.use(self._options) as engine:
            self._sweep(engine)
            if self._options.pull == "always":
                fetch(engine, self._options, self._go_on)
            try:
                self._start(Container(engine, self._name))
            except ImageNotFound as error:
                if self._options.pull == "never":
                    message = f"there is no image {self._options.image} on the engine, and pull is never"
                    raise ExecutorError(message, retryable=False) from error
                fetch(engine, self._options, self._go_on)
                self._start(Container(engine, self._name))

    def _sweep(self, engine: Engine) -> None:
        node = self._context.node
        if node not in engine.swept:
            remove_leftovers(engine, node, self._engines.running)
            engine.swept.add(node)
        if self._context.token > 1:
            remove_earlier(engine, self._context)

    def _start(self, container: Container) -> None:
        with self._lock:
            self._go_on()
            self._made = True  # from here on nobody can say that there is none
        try:
            container.create(self._options, self._context)
            self._go_on()
            container.start()
        except BaseException:
            with suppress(Exception):  # the first error says more; the next sweep finds what is left
                container.remove()
                self._made = False
            raise

    # It runs.

    def _attend(self) -> dict[str, Any]:
        """Follow it to its end; Docker's ``State`` then."""
        away: float | None = None
        self._follow()
        while True:
            over = self._watch.wait(lambda: self._follower and self._follower.over, _CHECK)
            try:
                state = self._watch.call(lambda: self._ask(Container.state))
            except ExecutorError as error:
                self._outage, away = True, away or time.monotonic()
                if time.monotonic() - away > self._patience:
                    raise self._lost(error) from error
                self._watch.pause(_AGAIN)
                continue
            away = None
            if state is None or state["Status"] in ("removing", "dead"):
                raise ExecutorError(f"the container {self._name} was removed by somebody else while it ran")
            if not state["Running"]:
                self._read_to_the_end()
                return state
            if over:
                self._watch.pause(_AGAIN)
                self._follow()

    def _follow(self, *, live: bool = True) -> None:
        """Hand on the output from where it broke off."""
        before = self._follower
        if before is not None and before.refused:
            return
        seen = before.seen if before is not None else 0
        write, wake = self._context.write, self._watch.notify
        self._follower = self._watch.call(
            lambda: self._ask(lambda found: Follower(found, write, wake, seen=seen, live=live))
        )

    def _read_to_the_end(self) -> None:
        follower = self._follower
        if follower is None:
            return
        complete = follower.finish(_DRAIN, self._has_time)
        if complete and not follower.refused:
            try:
                complete = self._catch_up(follower)
            except (ExecutorError, EndedEarly):  # how the container ended is known, and stays the outcome
                complete = False
        if follower.refused:
            self._context.write(f"docker: the output cannot be shown: {follower.refused}\n".encode())
        elif not complete:
            self._context.write(b"\ndocker: the end of the output may be missing\n")

    def _catch_up(self, follower: Follower) -> bool:
        """Engines hold back a last line without a line break from those that follow, and an outage cuts off."""
        last = self._watch.call(lambda: self._ask(Container.last_output))
        if not self._outage and follower.tail.endswith(last):
            return True
        self._follow(live=False)
        return self._follower is not None and self._follower.finish(_DRAIN, self._has_time)

    def _has_time(self) -> bool:
        return not self._watch.reason

    def _lost(self, error: ExecutorError) -> ExecutorError:
        self._engines.sweep_again(self._context.node)
        return ExecutorError(
            f"the engine was away for {self._patience:g} s while the container {self._name} ran; "
            f"could not confirm that it has ended: {error}"
        )

    # It has ended.

    def _judge(self, state: dict[str, Any]) -> Outcome:
        code: int = state["ExitCode"]
        if state["StartedAt"].startswith(_NEVER):  # its exit code would be 0
            return Outcome(success=False, reason="executor_error", message=f"it never started: {state['Error']}")
        note = "; the engine was away in between" if self._outage else ""
        if state["OOMKilled"] and code not in self._options.success_codes:
            limit = self._options.mem_limit
            over = f"its limit of {limit} bytes" if limit else "there was"
            message = f"exit status {code}: it was killed, for it took more memory than {over}"
            return Outcome(success=False, reason="oom", message=message + note, exit_code=code)
        given = self._options
        codes = ProcessOptions(
            success_codes=given.success_codes, skip_codes=given.skip_codes, retry_codes=given.retry_codes
        )
        outcome = outcome_of(Exit(code=code), codes)
        return outcome if outcome.success else msgspec.structs.replace(outcome, message=outcome.message + note)

    def _remove(self) -> str:
        """Remove it; a note for the message if that did not work."""
        try:
            in_time(lambda: self._ask(Container.remove), _CLEAN_UP)
        except (ExecutorError, TimeoutError) as error:
            self._engines.sweep_again(self._context.node)
            return f"; the container {self._name} could not be removed yet: {error}"
        return ""

    def _end(self, pending: Answer[Any] | None) -> Outcome:
        """It had to end: stop it, kill it, remove it, and say whether it is gone."""
        reason, said = self._watch.reason, self._watch.said
        with self._lock:
            made = self._made
        if not made:
            return Outcome(success=False, reason=reason, message=f"{said}; no container was running")
        why = self._ended(pending)
        if why:
            self._engines.sweep_again(self._context.node)
            end = f"could not confirm that the container {self._name} is gone: {why}"
        else:
            moment = from_ms(SystemClock().now_ms()).isoformat(timespec="seconds").replace("+00:00", "Z")
            end = f"the container {self._name} was stopped and removed, confirmed gone at {moment}"
        return Outcome(success=False, reason=reason, message=f"{said}; {end}")

    def _ended(self, pending: Answer[Any] | None) -> str:
        """End it; empty when it was seen gone, else why not."""
        grace = as_timedelta(self._options.grace) or timedelta(0)
        until = time.monotonic() + grace.total_seconds() + min(_CLEAN_UP, self._patience)
        why = "the engine does not answer"
        if pending is not None and not pending.done.wait(until - time.monotonic()):
            return why
        while (left := until - time.monotonic()) > 0:
            try:
                in_time(lambda: self._ask(self._stop), left)
            except (ExecutorError, TimeoutError) as error:
                why = str(error)
                time.sleep(min(_AGAIN, left))
            else:
                return ""
        return why

    def _stop(self, container: Container) -> None:
        container.end(self._options)
        if self._follower is not None:
            self._follower.finish(_DRAIN)
        container.remove()
