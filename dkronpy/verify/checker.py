"""The judge: what must hold of every history, whatever broke meanwhile. Pure; a history can be judged again and again.

Each rule has the number of the promise in ``docs/guarantees.md`` that it holds people to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from dkronpy.clock import iso_ms
from dkronpy.execution import REASONS, TERMINAL, Attempt, Execution, Run
from dkronpy.verify.history import Counters, History, JobHistory, Mark


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that was broken: the rule, who it happened to, and what was seen."""

    rule: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.subject}: {self.message}"


Found = Iterator[tuple[str, str]]


def check(history: History) -> list[Violation]:
    """Every violation there is, rule by rule; an empty list is a clean history."""
    rules = RULES if history.witnessed else {name: rule for name, rule in RULES.items() if name not in NEEDS_WITNESS}
    return [
        Violation(rule=name, subject=subject, message=message)
        for name, rule in rules.items()
        for subject, message in rule(history)
    ]


def each_due_time_has_one_record(history: History) -> Found:
    """I1: exactly one record for each due time, and no others; a range record stands for each due time in it."""
    for job in history.jobs:
        records: Counter[int] = Counter()
        for run in job.runs:
            if run.trigger != "schedule":
                continue
            covered = [due for due in job.owed if run.due_ms <= due <= (run.until_ms or run.due_ms)]
            records.update(covered)
            if not covered:
                yield run.id, "a record for a moment that was not owed"
            if run.fired_ms < run.due_ms and not any(one.explains(run) for one in history.setbacks):
                yield run.id, f"it was fired {run.due_ms - run.fired_ms} ms before it was due"
        for due in job.owed:
            if records[due] != 1:
                yield f"{job.name} at {iso_ms(due)}", f"{records[due]} records"
        yield from _follows(history, job)


def _follows(history: History, job: JobHistory) -> Found:
    """A job that follows one other has a run for each success of it, and at most a reason for any other end."""
    for parent in (one for one in history.jobs if (one.name,) == job.after):
        ends = {run.due_ms: run.state for run in parent.runs}
        amended = {execution.due_ms for execution in parent.executions if execution.amended}
        records: defaultdict[int, list[Run]] = defaultdict(list)
        for run in job.runs:
            if run.trigger == "chained":
                records[run.due_ms].append(run)
        for due in sorted({*ends, *records}):
            seen, why = records[due], [run.reason for run in records[due]]
            what = f"{len(seen)} records ({', '.join(why)}) after {parent.name}, which is {ends.get(due, 'not there')}"
            if due in amended:  # it was lost, which is what the follower went by, and told later how it had ended
                right = len(seen) == 1
            elif ends.get(due) == "success":
                right = len(seen) == 1 and why != ["parent_failed"]
            else:
                right = why in ([], ["parent_failed"])
            if not right:
                yield f"{job.name} at {iso_ms(due)}", what


def everything_has_ended(history: History) -> Found:
    """I2: after the quiet, everything is settled, and whatever is no success says why."""
    for name in history.open_executions:
        yield name, "still open"
    for job in history.jobs:
        records: list[Run | Execution] = [*job.runs, *job.executions]
        for record in records:
            if not record.terminal:
                yield record.id, f"it is {record.state}"
            elif record.state != "success" and record.reason not in REASONS:
                yield record.id, f"it is {record.state} for no known reason: {record.reason!r}"


def no_start_after_an_unknown_end(history: History) -> Found:
    """I3: at most once: no attempt after one that was lost, no token that started twice."""
    starts = Counter((mark.execution, mark.token) for mark in history.marks if mark.what == "start")
    for (name, token), count in starts.items():
        if count > 1:
            yield name, f"its command was started {count} times under token {token}"
    for job in history.jobs:
        if job.delivery != "at_most_once":
            continue
        for execution in job.executions:
            lost = [attempt.number for attempt in execution.attempts if attempt.state == "lost"]
            if lost and lost[0] < execution.attempt:
                yield execution.id, f"attempt {execution.attempt} follows attempt {lost[0]}, whose end nobody knows"


def at_least_once_was_tried_to_the_end(history: History) -> Found:
    """I4: at least once: a success, or every attempt used; or it was never taken up, or was cancelled."""
    for job in history.jobs:
        if job.delivery != "at_least_once":
            continue
        for execution in job.executions:
            given_up = execution.state in ("failed", "lost") and execution.attempt < job.max_attempts
            if given_up and execution.reason != "cancelled" and not _not_taken_up_again(execution):
                yield execution.id, f"{execution.state} after {execution.attempt} of {job.max_attempts} attempts"


def records_say_what_happened(history: History) -> Found:
    """I5: whoever started has a record that says so; a success ended well; a skipped one never started."""
    attempts = {
        (execution.id, attempt.token): (execution, attempt)
        for job in history.jobs
        for execution in job.executions
        for attempt in execution.attempts
    }
    ends = {(mark.execution, mark.token): mark for mark in history.marks if mark.what != "start"}
    for mark in history.marks:
        if (mark.execution, mark.token) not in attempts:
            yield mark.execution, f"its command ran under token {mark.token} on {mark.node}, and no record says so"
    for key, (execution, attempt) in attempts.items():
        yield from _attempt_agrees(execution, attempt, ends.get(key))
    started = {mark.execution for mark in history.marks if mark.what == "start"}
    for job in history.jobs:
        for execution in job.executions:
            if execution.state == "skipped" and execution.id in started:
                yield execution.id, "it is skipped, and its command ran"


def _attempt_agrees(execution: Execution, attempt: Attempt, end: Mark | None) -> Found:
    if attempt.state == "success" and (end is None or end.what != "ok"):
        yield execution.id, f"attempt {attempt.number} is a success, and the job wrote {end.what if end else 'no end'}"
    if attempt.state == "failed" and attempt.reason == "exit" and end is not None and end.what == "ok":
        yield execution.id, f"attempt {attempt.number} has failed, and the job wrote ok"


def no_more_at_once_than_allowed(history: History) -> Found:
    """I6: no more ran at once than their job allows and their pool has slots for, as the commands themselves saw it."""
    spans = {job.name: list(_spans(history, job)) for job in history.jobs if job.at_once or job.pools}
    for job in history.jobs:
        if job.at_once:
            yield from _crowded(job.name, job.at_once, [(*span, 1) for span in spans[job.name]])
    for pool, slots in history.pools.items():
        holders = [(*span, job.pools[pool]) for job in history.jobs if pool in job.pools for span in spans[job.name]]
        yield from _crowded(f"pool {pool}", slots, holders)


def _crowded(who: str, room: int, holders: list[tuple[int, int, int, int]]) -> Found:
    """Where more room was taken than there is; a holder is when it began, when it ended, its token, what it takes."""
    inside: list[tuple[int, int, int, int]] = []
    for holder in sorted(holders):
        begin, _, token, takes = holder
        inside = [one for one in inside if one[1] > begin]
        taken = sum(one[3] for one in inside)
        if taken + takes > room:
            others = ", ".join(f"{one[2]} ({one[1] - begin} ms more)" for one in inside)
            yield who, f"token {token} began at {begin} beside {others}: {taken + takes} of {room}"
        inside.append(holder)


def _spans(history: History, job: JobHistory) -> Iterator[tuple[int, int, int]]:
    """When each command began and ended, by its own word; of one that was killed only the begin is known."""
    ours = {execution.id for execution in job.executions}
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for mark in history.marks:
        if mark.execution in ours:
            (begins if mark.what == "start" else ends)[mark.token] = mark.at_ms
    for token, begin in begins.items():
        yield begin, ends.get(token, begin), token


def counters_equal_records(history: History) -> Found:
    """I7: the counters of a job are the number of its records in each state."""
    for job in history.jobs:
        if not job.complete:
            continue
        counted: Counter[str] = Counter(execution.state for execution in job.executions)
        counted.update({"skipped": sum(run.count for run in job.runs if not run.execution_ids)})
        expected = Counters(**{state: counted[state] for state in Counters.__struct_fields__})
        if expected != job.counters:
            yield job.name, f"its counters say {job.counters}, its records {expected}"


def epochs_only_rise(history: History) -> Found:
    """I8: leadership never goes back to an epoch that was over."""
    for before, after in pairwise(history.epochs):
        if after < before:
            yield "leader", f"epoch {after} after epoch {before}"


def tokens_are_unique(history: History) -> Found:
    """I9: no two attempts hold the same token, and those of an execution rise."""
    holders: defaultdict[int, list[str]] = defaultdict(list)
    for job in history.jobs:
        for execution in job.executions:
            tokens = [attempt.token for attempt in execution.attempts]
            if tokens != sorted(tokens):
                yield execution.id, f"its tokens do not rise: {tokens}"
            for token in tokens:
                holders[token].append(execution.id)
    for token, names in holders.items():
        if len(names) > 1:
            yield names[0], f"token {token} belongs to {len(names)} attempts: {names[1:4]}"


def nothing_is_left_behind(history: History) -> Found:
    """I10: no process of an execution that has ended, and no message in a queue."""
    for process in history.processes:
        yield process, "a process is left"
    for message in history.waiting_messages:
        yield message, "a message is left"


def _not_taken_up_again(execution: Execution) -> bool:
    return execution.state in TERMINAL and "was not taken up" in execution.message


RULES: dict[str, Callable[[History], Found]] = {
    "I1": each_due_time_has_one_record,
    "I2": everything_has_ended,
    "I3": no_start_after_an_unknown_end,
    "I4": at_least_once_was_tried_to_the_end,
    "I5": records_say_what_happened,
    "I6": no_more_at_once_than_allowed,
    "I7": counters_equal_records,
    "I8": epochs_only_rise,
    "I9": tokens_are_unique,
    "I10": nothing_is_left_behind,
}
NEEDS_WITNESS = frozenset({"I5", "I6"})
