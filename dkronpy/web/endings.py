"""How runs ended: where, with which exit code and which last words. Read once and kept, since it changes no more."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from dkronpy.client import Client
from dkronpy.clock import Clock, SystemClock
from dkronpy.errors import NotFoundError
from dkronpy.execution import Execution, Run
from dkronpy.web.ansi import plain
from dkronpy.web.states import is_trouble

MOST_KEPT = 5_000
PATIENCE_S = 0.04
"""How long a page reads records and output that it has not seen; the rest is there when it asks again."""
_NODES = 3
_EXECUTIONS = 50
_LONGEST = 300
_TAIL = 4_000
_CHANGING = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", re.IGNORECASE)
_MOST_GROUPS, _LEAST = 5, 2


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run ran (``more`` on further nodes), and of the execution that went wrong, if one did, how.

    ``queued`` says that nothing of it has begun, ``heard`` that its last words were asked for.
    """

    nodes: tuple[str, ...] = ()
    more: int = 0
    attempts: int = 0
    exit_code: int | None = None
    queued: bool = False
    words: str = ""
    heard: bool = False


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that went wrong in the same way, the newest first, and the jobs that they are of."""

    text: str
    runs: tuple[Run, ...]
    jobs: tuple[str, ...]

    @property
    def newest(self) -> Run:
        """The last of them."""
        return self.runs[0]


class Endings:
    """Thread-safe; raises StoreUnavailableError while the store is away."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client, self._clock = client, clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: dict[str, Ending] = {}

    def find(self, runs: Sequence[Run], patience_s: float = PATIENCE_S) -> Mapping[str, Ending]:
        """By the ids of those runs of which it is known by now, or after so many seconds."""
        until = self._clock.monotonic() + patience_s
        found = {run.id: kept for run in runs if (kept := self._kept.get(run.id)) is not None}
        unknown = [run for run in runs if run.id not in found and run.execution_ids]
        at_hand = self._at_hand(unknown)
        for run in unknown:
            executions = at_hand.get(run.id) or (self._looked_up(run, until) if run.terminal else [])
            if executions:
                found[run.id] = _ending(run, executions)
                self._keep(run, found[run.id])
        for run in runs:
            ending = found.get(run.id)
            if ending is not None and is_trouble(run.state, run.reason) and run.terminal and not ending.heard:
                if self._clock.monotonic() > until:
                    break
                found[run.id] = msgspec.structs.replace(ending, words=self._last_words(run), heard=True)
                self._keep(run, found[run.id])
        return found

    def _at_hand(self, runs: Iterable[Run]) -> dict[str, list[Execution]]:
        """Their executions, as far as the ledger still knows them; read in one go."""
        names = [name for run in runs for name in run.execution_ids[:_EXECUTIONS]]
        found: dict[str, list[Execution]] = {}
        for one in self._client.some_executions(names) if names else ():
            found.setdefault(one.run_id, []).append(one)
        return found

    def _looked_up(self, run: Run, until: float) -> Sequence[Execution]:
        if self._clock.monotonic() > until:
            return ()
        try:
            return self._client.run(run.id).executions
        except NotFoundError:
            return ()

    def _last_words(self, run: Run) -> str:
        """The last line that the execution printed that went wrong first."""
        try:
            wrong = _wrong(self._client.run(run.id).executions)
        except NotFoundError:
            return ""
        return last_line(self._client.output(wrong).text()) if wrong is not None and wrong.attempt else ""

    def _keep(self, run: Run, ending: Ending) -> None:
        if not run.terminal:
            return
        with self._lock:
            while len(self._kept) >= MOST_KEPT and run.id not in self._kept:
                del self._kept[next(iter(self._kept))]
            self._kept[run.id] = ending


def last_line(output: str) -> str:
    """The last thing that was printed, which often says what went wrong."""
    lines = plain(output[-_TAIL:]).rstrip().splitlines()
    return lines[-1].strip()[:_LONGEST] if lines else ""


def _ending(run: Run, executions: Sequence[Execution]) -> Ending:
    nodes = list(dict.fromkeys(one.node for one in executions if one.node))
    wrong = _wrong(executions) if is_trouble(run.state, run.reason) else None
    codes = [try_.exit_code for try_ in wrong.attempts if try_.exit_code is not None] if wrong else []
    return Ending(
        nodes=tuple(nodes[:_NODES]),
        more=max(0, len(nodes) - _NODES),
        attempts=max(one.attempt for one in executions),
        exit_code=codes[-1] if codes else None,
        queued=all(one.state == "queued" for one in executions),
    )


def _wrong(executions: Iterable[Execution]) -> Execution | None:
    bad = (one for one in executions if is_trouble(one.state, one.reason))
    return min(bad, key=lambda one: one.finished_ms, default=None)


def kind_of(run: Run, ending: Ending | None) -> str:
    """What runs that went wrong in the same way have in common: their last words, or else why, without its numbers.

    An exit status without a word says little: jobs that have the same in common need have nothing else.
    """
    if ending is not None and ending.words:
        return _CHANGING.sub("#", ending.words)
    if run.reason == "exit":
        return f"\0{run.job}\0{run.message}"
    return "\0" + (_CHANGING.sub("#", run.message) or run.reason or run.state)


def grouped(runs: Iterable[Run], endings: Mapping[str, Ending], reasons: Mapping[str, str]) -> list[Errors]:
    """The ways in which several of *runs* (newest first) went wrong, the most frequent first."""
    kinds: dict[str, list[Run]] = {}
    for run in runs:
        if is_trouble(run.state, run.reason):
            kinds.setdefault(kind_of(run, endings.get(run.id)), []).append(run)
    found = [
        Errors(text=_text(same[0], endings, reasons), runs=tuple(same), jobs=tuple(dict.fromkeys(r.job for r in same)))
        for same in kinds.values()
        if len(same) >= _LEAST
    ]
    return sorted(found, key=lambda one: -len(one.runs))[:_MOST_GROUPS]


def _text(run: Run, endings: Mapping[str, Ending], reasons: Mapping[str, str]) -> str:
    ending = endings.get(run.id)
    return (ending.words if ending else "") or run.message or reasons.get(run.reason, run.reason) or run.state
