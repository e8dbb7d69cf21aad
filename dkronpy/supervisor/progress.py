"""Prints each finished execution as a line, and counts those that are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from dkronpy.client import Client, Event
from dkronpy.clock import from_ms
from dkronpy.errors import DkronpyError
from dkronpy.execution import TERMINAL, Execution
from dkronpy.supervisor.console import Console

_PAUSE = 0.5  # seconds before a store that went away is asked again
_WIDEST_NAME = 32


class Progress:
    """Follows the event stream in a thread of its own, from the moment it was made.

    ``finished`` holds the executions that count: fired since then, and ended as success, failed or lost. ``on_count``
    is called (in that thread) when another is added. Once there are *wanted* of them, none is added any more.
    """

    def __init__(
        self,
        client: Client,
        console: Console,
        *,
        jobs: Collection[str],
        wanted: int | None,
        on_count: Callable[[], None],
    ) -> None:
        self._client, self._console = client, console
        self._wanted, self._on_count = wanted, on_count
        self._since_ms = client.status().now_ms
        self._width = min(_WIDEST_NAME, max((len(name) for name in jobs), default=0))
        self._counted: dict[str, Execution] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    @property
    def finished(self) -> list[Execution]:
        """What counts, in the order in which it ended; a lost one that was amended later shows its last state."""
        return list(self._counted.values())

    @property
    def complete(self) -> bool:
        """Whether all that were waited for have finished."""
        return self._wanted is not None and len(self._counted) >= self._wanted

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following, within about a second."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(3.0)

    def _follow(self) -> None:
        last = str(self._since_ms)
        while not self._stopping.is_set():
            try:
                for event in self._client.events(after=last, block_ms=500):
                    if self._stopping.is_set():
                        return
                    if event is not None:
                        last = event.id
                        self._take(event)
            except DkronpyError:  # the supervisor or the operator brings the store back; then we go on from `last`
                self._stopping.wait(_PAUSE)

    def _take(self, event: Event) -> None:
        if event.kind != "execution" or event.fields.get("state") not in TERMINAL:
            return
        execution = self._execution(event)
        self._console.result(self._line(execution), execution.state)
        counts = execution.state != "skipped" and execution.queued_ms >= self._since_ms
        if counts and (execution.id in self._counted or not self.complete):
            self._counted[execution.id] = execution
            self._on_count()

    def _execution(self, event: Event) -> Execution:
        """The record behind an event; what the event says where the record is gone already."""
        store = self._client.deployment.store
        with store.errors():
            found = self._client.deployment.ledger.execution(event.fields["execution"])
        if found is not None and found.terminal:
            return found
        at_ms = int(event.fields.get("at", 0))
        return Execution(
            id=event.fields["execution"], run_id=event.fields.get("run", ""), job=event.fields.get("job", ""),
            node=event.fields.get("node", ""), due_ms=0, state=event.fields["state"],
            reason=event.fields.get("reason", ""), queued_ms=at_ms, finished_ms=at_ms,
        )  # fmt: skip

    def _line(self, execution: Execution) -> str:
        ended = from_ms(execution.finished_ms).astimezone()
        return (
            f"{ended:%H:%M:%S}  {execution.job:<{self._width}}  {execution.node}  {outcome(execution)}{took(execution)}"
        )


def took_ms(execution: Execution) -> int | None:
    """How long it ran; None where it never started."""
    return execution.finished_ms - execution.started_ms if execution.started_ms else None


def took(execution: Execution) -> str:
    """How long it ran, to follow its outcome: ``, 0.12 s``."""
    ms = took_ms(execution)
    return "" if ms is None else f", {ms / 1000:.2f} s"


def outcome(execution: Execution) -> str:
    """Its state, with the reason and the message where it is not a success: ``failed (exit: status 3)``."""
    if execution.state == "success":
        return "success"
    why = ": ".join(part for part in (execution.reason, execution.message) if part)
    return f"{execution.state} ({why})" if why else execution.state
