"""What a results backend promises, and what all of them do alike.

The ledger holds what is going on; a results backend holds how it went. Which one a deployment uses is said
by one setting, ``results_url``, and nothing outside this folder knows more about it than ``ResultsBackend``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from dkronpy.execution import Attempt, Execution, Output, Run, run_of
from dkronpy.results.keep import Keep

PRUNED_JOBS = 100
"""Of about how many jobs one call of ``prune`` looks at the history."""


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a run: its record, if any, and the ids of its executions."""

    run: Run | None = None
    executions: frozenset[str] = frozenset()


class ResultsBackend(Protocol):
    """Keeps finished runs with their executions, attempts and output. Safe to share between threads.

    Every method raises ``StoreUnavailableError`` when the server is away (the next call tries again, nothing
    has to be rebuilt) and ``StoreRefusedError`` when it is there and refuses. All times are milliseconds
    since the epoch.
    """

    def save_execution(self, execution: Execution) -> None:
        """Keep *execution*, replacing what was kept of it.

        Saving the same record twice changes nothing. A record never falls behind: what has ended is not
        replaced by what is still going on, nor an amended record by one that is not. An output that only has
        a size (as lists return it) leaves the kept output alone. The id must be one that ``execution_id``
        made from the run's id; else ``ValueError``.
        """
        ...

    def save_run(self, run: Run, *, executions: Sequence[Execution] = ()) -> None:
        """Keep *run*, replacing what was kept of it, unless that has ended and *run* has not.

        Those of its *executions* that are given are kept first, as ``save_execution`` does, in the same step.
        """
        ...

    def save_runs(self, kept: Sequence[tuple[Run, Sequence[Execution]]]) -> None:
        """``save_run`` for many, each with some of its executions, at one go where a backend can do that.

        Where it raises, some of them may be kept and others not.
        """
        ...

    def filed(self, run_ids: Sequence[str]) -> list[Filed]:
        """For each of *run_ids* what is kept of that run already."""
        ...

    def make_room(self, kept: Sequence[tuple[Run, Keep]]) -> None:
        """*kept* were filed, each with what its job keeps: let them live as long as that says.

        A backend that can do so cheaply forgets a few older runs of these jobs at once; ``prune`` forgets all.
        """
        ...

    def execution(self, execution_id: str, *, output: bool = True) -> Execution | None:
        """The execution of that id; without *output* its output has only its size."""
        ...

    def run(self, run_id: str) -> Run | None:
        """The run of that id."""
        ...

    def run_at(self, job: str, due_ms: int) -> Run | None:
        """The record that says what became of this due time of *job*.

        A run of exactly that due time (a scheduled one before others) wins over a range that covers it.
        """
        ...

    def executions(self, run_id: str) -> list[Execution]:
        """The executions of a run, in the order of their numbers; of their output only the size."""
        ...

    def runs(
        self,
        *,
        job: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before_ms: int | None = None,
        after_ms: int | None = None,
    ) -> list[Run]:
        """At most *limit* runs with ``after_ms <= due < before_ms``, newest first by due time, then by id.

        The due time of the last one is ``before_ms`` of the next page. Runs of several jobs may share a due
        time: who pages through all jobs asks with that time plus 1 and passes over the ids already seen.
        """
        ...

    def delete_job(self, job: str) -> int:
        """Forget every run of exactly this job; returns how many there were."""
        ...

    def prune(
        self, now_ms: int, keep_of: Callable[[str], Keep], *, budget: int = 1000,
        ahead: Callable[[Sequence[str]], None] | None = None,
    ) -> int:  # fmt: skip
        """Forget what jobs, by name, are not to keep any more; see ``Keep``.

        The latest runs of a job are those that ended last, so that a backfill of old due times is not forgotten at
        once. One call looks at some jobs, the next call at the next ones, and at most *budget* runs go; returns how
        many went. *ahead* is told which jobs *keep_of* will be asked about.
        """
        ...

    def ping(self) -> None:
        """Return if the backend can be reached and used."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def rank_of_execution(execution: Execution) -> int:
    """0 while it goes on, 1 once it has ended, 2 when amended; a lower rank never replaces a higher one."""
    return 2 if execution.amended else int(execution.terminal)


def rank_of_run(run: Run) -> int:
    """0 while it goes on, 1 once it has ended."""
    return int(run.terminal)


def age_of_run(run: Run) -> int:
    """The moment that counts for retention: when it ended, or else was fired, or else was due."""
    return run.finished_ms or run.fired_ms or run.due_ms


def age_of_execution(execution: Execution) -> int:
    """As ``age_of_run``, for an execution whose run was never saved."""
    return execution.finished_ms or execution.started_ms or execution.queued_ms or execution.due_ms


def checked(execution: Execution) -> Execution:
    """*execution* fit to be kept: its id belongs to its run, its messages can be stored anywhere."""
    if run_of(execution.id) != execution.run_id:
        raise ValueError(f"execution {execution.id!r}: its id has to be its run's, {execution.run_id!r}, and a number")
    attempts = tuple(_storable_attempt(attempt) for attempt in execution.attempts)
    return msgspec.structs.replace(execution, message=storable(execution.message), attempts=attempts)


def storable(text: str) -> str:
    """*text* without what UTF-8 (lone surrogates) or PostgreSQL (NUL) cannot hold; each becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text


def _storable_attempt(attempt: Attempt) -> Attempt:
    message = storable(attempt.message)
    return attempt if message == attempt.message else msgspec.structs.replace(attempt, message=message)


def carries_output(output: Output) -> bool:
    """Whether *output* is the output itself, and not only word of how long it was."""
    return bool(output.head or output.tail) or output.size == 0


def in_order(executions: Iterable[Execution]) -> list[Execution]:
    """By the number at the end of the id: ``.10`` comes after ``.9``."""

    def number(execution: Execution) -> tuple[int, str]:
        last = execution.id.rpartition(".")[2]
        return (int(last) if last.isdecimal() else 0, execution.id)

    return sorted(executions, key=number)
