"""Follows the ledger's events and decides what is told to which channel.

What it knows of jobs (conditions and rules) is kept in memory, and read anew when the office changes hands or a job is
saved, so that an event that tells nothing costs next to nothing. Where the stream was trimmed past our position, the
states of all jobs are compared with what was last known, and the change is told, if not every step to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dkronpy.clock import to_ms
from dkronpy.deployment import Deployment
from dkronpy.errors import DkronpyError
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.notify import Happening, Notify, promised, tells
from dkronpy.notices.channel import OWNER, Channel, Channels
from dkronpy.notices.condition import Condition
from dkronpy.notices.outbox import Batch, Outbox
from dkronpy.store.events import changes_of

log = logging.getLogger(__name__)

EVENTS = 1000
TIMERS = 500
_MS = timedelta(milliseconds=1)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the notifier has to know of a job: who is told of it, and by when it should have succeeded."""

    rules: tuple[tuple[str, Notify], ...] = ()
    deadline_ms: int = 0
    stale_ms: int = 0

    def wants(self, event: str) -> bool:
        """Whether anybody listens to *event* as such."""
        return any(event in rule.wanted for _, rule in self.rules)


class Follower:
    """One pass after the other over the events. Not for several threads at once."""

    def __init__(self, deployment: Deployment, channels: Channels, outbox: Outbox) -> None:
        self.deployment = deployment
        self.channels = channels
        self.outbox = outbox
        self.conditions: dict[str, Condition] = {}
        self._rules: dict[str, Rules] = {}
        self._started: dict[str, int] = {}
        self._position = ""
        self._complained: set[str] = set()
        self._handlers: dict[str, Callable[[dict[str, str], Batch], None]] = {
            "run": self._run, "fired": self._fired, "started": self._execution_started,
            "execution": self._execution_ended, "job": self._job, "pause": self._paused,
        }  # fmt: skip

    def begin(self) -> None:
        """Take up where the last holder of the office left off; the first one begins with what comes from now on."""
        self._rules.clear()
        self._started.clear()
        self.conditions = self.outbox.conditions()
        position = self.outbox.position()
        if position is None:
            newest = self._client.xrevrange(self._events, count=1)
            position = newest[0][0].decode() if newest else "0-0"
            batch = Batch()
            self._watch_all(batch)
            self.outbox.commit(batch, position)
        self._position = position

    def step(self, block_ms: int) -> bool:
        """Follow what came since; False when nothing did. Raises LostError, and redis-py's errors."""
        rows = self._read(block_ms)
        batch = Batch()
        if rows and self._has_gap(rows):
            log.warning("events were trimmed before they were followed; comparing the states of all jobs instead")
            self._compare(batch)
        events = [event for _, row in rows for event in changes_of(row)]
        self._learn({event["job"] for event in events if "job" in event} - set(self._rules))
        for event in events:
            handler = self._handlers.get(event["event"])
            if handler is not None:
                handler(event, batch)
        self._ring(batch)
        if rows or batch:
            position = rows[-1][0].decode() if rows else self._position
            self.outbox.commit(batch, position)
            self._position = position
        return bool(rows)

    # events

    def _run(self, event: dict[str, str], batch: Batch) -> None:
        job, run_id, at_ms = event["job"], event["run"], int(event["at"])
        rules = self._rules.get(job)
        if rules is None:
            return
        state = event["state"]
        condition = self.conditions.get(job) or Condition()
        happening = condition.outcome(job, run_id, state, event.get("reason", ""), at_ms)
        began = self._started.pop(run_id, 0)
        if state == "success":
            if began and rules.wants("slow"):
                condition.took(at_ms - began)
            batch.timers[f"slow\n{job}\n{run_id}"] = None
            if rules.stale_ms:
                batch.timers[f"stale\n{job}"] = at_ms + rules.stale_ms
            if rules.deadline_ms:
                self._keep_deadline(job, run_id, at_ms, rules, batch)
        self.conditions[job] = condition
        if condition != Condition() or happening is None or happening.event == "recovery":
            batch.conditions[job] = condition
        if happening is None:
            return
        if condition.bad == 1 and rules.rules:
            batch.timers[f"reminder\n{job}"] = at_ms + self._reminder_ms
        elif happening.event == "recovery":
            batch.timers[f"reminder\n{job}"] = None
        if rules.deadline_ms and happening.event == "missed":
            self._watch_deadline(job, run_id, rules, batch)
        self._tell(happening, batch)

    def _fired(self, event: dict[str, str], batch: Batch) -> None:
        job, run_id, at_ms = event["job"], event["run"], int(event["at"])
        rules = self._rules.get(job)
        if rules is None:
            return
        if rules.deadline_ms:
            self._watch_deadline(job, run_id, rules, batch)
        if rules.wants("slow"):
            self._started[run_id] = at_ms
            usual = (self.conditions.get(job) or Condition()).usual_ms
            if usual is not None:
                factor = min(rule.slow for _, rule in rules.rules if "slow" in rule.wanted)
                batch.timers[f"slow\n{job}\n{run_id}"] = at_ms + int(usual * factor) + 1

    def _execution_started(self, event: dict[str, str], batch: Batch) -> None:
        rules = self._rules.get(event["job"])
        if rules is None or event.get("attempt") != "1":
            return
        at_ms, run_id = int(event["at"]), event["run"]
        if rules.wants("started"):
            self._tell(_of_execution("started", event, "running"), batch)
        due_ms = due_of(run_id)
        if rules.wants("late") and due_ms is not None:
            late = _of_execution("late", event, "running")
            self._tell(msgspec.structs.replace(late, amount=float(at_ms - due_ms)), batch)

    def _execution_ended(self, event: dict[str, str], batch: Batch) -> None:
        rules = self._rules.get(event["job"])
        if rules is not None and rules.wants("ended") and event.get("attempt", "0") != "0":
            self._tell(_of_execution("ended", event, event["state"]), batch)

    def _job(self, event: dict[str, str], batch: Batch) -> None:
        job = event["job"]
        self._rules.pop(job, None)
        if event["state"] == "deleted":
            self.conditions.pop(job, None)
            batch.conditions[job] = None
            batch.timers.update(dict.fromkeys((f"reminder\n{job}", f"stale\n{job}"), None))
            return
        self._learn({job})
        rules = self._rules.get(job)
        stale_ms = rules.stale_ms if rules is not None else 0
        batch.timers[f"stale\n{job}"] = int(event["at"]) + stale_ms if stale_ms else None

    def _paused(self, event: dict[str, str], batch: Batch) -> None:
        """A job that paused itself; what people pause, they know."""
        if "job" in event and event.get("times"):
            times, at_ms = int(event["times"]), int(event["at"])
            self._tell(
                Happening(event="paused", job=event["job"], at_ms=at_ms, run_id=event.get("run", ""), times=times),
                batch,
            )

    # timers

    def _ring(self, batch: Batch) -> None:
        now_ms = self.deployment.store.now_ms()
        for name in self.outbox.due_timers(now_ms, TIMERS):
            if name in batch.timers:
                continue
            kind, _, rest = name.partition("\n")
            job, _, run_id = rest.partition("\n")
            batch.timers[name] = None
            self._learn({job} - set(self._rules))
            rules = self._rules.get(job)
            if rules is not None:
                self._rang(kind, name, job, run_id, rules, now_ms, batch)

    def _rang(self, kind: str, name: str, job: str, run_id: str, rules: Rules, now_ms: int, batch: Batch) -> None:
        condition = self.conditions.get(job) or Condition()
        if kind == "reminder" and condition.bad:
            happening = Happening(
                event="reminder", job=job, at_ms=now_ms, times=condition.bad, since_ms=condition.since_ms
            )
            self._tell(happening, batch)
            batch.timers[name] = now_ms + self._reminder_ms
        elif kind == "stale" and rules.stale_ms:
            self._tell(Happening(event="stale", job=job, at_ms=now_ms, amount=float(rules.stale_ms)), batch)
            batch.timers[name] = now_ms + self._reminder_ms
        elif kind == "deadline":
            run = self._found(run_id)
            due_ms = due_of(run_id)
            by_ms = (due_ms or now_ms) + rules.deadline_ms
            if run is None or run.state != "success" or run.finished_ms > by_ms:
                state = "" if run is None else run.state
                reason = "" if run is None else run.reason
                self._tell(
                    Happening(event="deadline", job=job, at_ms=by_ms, run_id=run_id, state=state, reason=reason), batch
                )
        elif kind == "slow":
            run, usual = self._found(run_id), condition.usual_ms
            if run is not None and not run.terminal and usual is not None:
                factor = (now_ms - run.fired_ms) / usual
                self._tell(
                    Happening(event="slow", job=job, at_ms=now_ms, run_id=run_id, state="running", amount=factor), batch
                )

    def _keep_deadline(self, job: str, run_id: str, at_ms: int, rules: Rules, batch: Batch) -> None:
        """Watch no longer what succeeded in time: by its deadline the record may be gone, as if it never were."""
        due_ms = due_of(run_id)
        if due_ms is not None and at_ms <= due_ms + rules.deadline_ms:
            batch.timers[f"deadline\n{job}\n{run_id}"] = None

    def _watch_deadline(self, job: str, run_id: str, rules: Rules, batch: Batch) -> None:
        due_ms = due_of(run_id)
        if due_ms is not None:
            batch.timers[f"deadline\n{job}\n{run_id}"] = due_ms + rules.deadline_ms

    # what is known

    def _learn(self, jobs: set[str]) -> None:
        """Read the rules of jobs that are not known; of one that is gone there is nothing to know."""
        if jobs:
            for stored in self.deployment.jobs.many(sorted(jobs)):
                self._rules[stored.job.name] = self.rules_of(stored.job)

    def rules_of(self, job: Job) -> Rules:
        """Who is told of a job: whom it names, else whom the deployment does; and Dkron's hooks of all jobs."""
        wanted = job.notify if job.notify is not None else tuple(Notify(name) for name in self.channels.default)
        found: list[tuple[str, Notify]] = []
        for rule in wanted:
            channel = self.channels.of_job(rule.to, job)
            if channel is not None:
                found.append((channel.name, promised(_with_defaults(rule, channel), job.max_lateness)))
            elif rule.to != OWNER or not self.deployment.settings.mail_host:
                self._complain(job.name, rule.to)
        found += [(channel.name, channel.rule) for channel in self.channels if channel.for_all]
        return Rules(
            rules=tuple(found),
            deadline_ms=0 if job.deadline is None else job.deadline // _MS,
            stale_ms=0 if job.stale_after is None else job.stale_after // _MS,
        )

    def _complain(self, job: str, channel: str) -> None:
        if channel not in self._complained:
            self._complained.add(channel)
            log.error("job %s tells %r, which is no channel here: nobody hears of it", job, channel)

    def _tell(self, happening: Happening, batch: Batch) -> None:
        rules = self._rules.get(happening.job)
        for channel in dict.fromkeys(name for name, rule in (rules.rules if rules else ()) if tells(rule, happening)):
            batch.tell(channel, happening)

    def _watch_all(self, batch: Batch) -> None:
        """At the very beginning: jobs that already are stale by then are told of in good time."""
        now_ms = self.deployment.store.now_ms()
        self._learn(set(self.deployment.jobs.names()))
        for job, rules in self._rules.items():
            if rules.stale_ms:
                batch.timers[f"stale\n{job}"] = now_ms + rules.stale_ms

    def _compare(self, batch: Batch) -> None:
        """The states that jobs have now, against those that were known: as if the last run's event came now."""
        names = self.deployment.jobs.names()
        states = self.deployment.jobs.states(names)
        self._learn(set(names) - set(self._rules))
        now_ms = self.deployment.store.now_ms()
        for name in names:
            last = self._client.hget(self.deployment.store.keys.job_state(name), "last_run")
            state, known = states[name].status, self.conditions.get(name) or Condition()
            if last is not None and state and (state != "success") != bool(known.bad):
                run = self._found(last.decode())
                event = {"job": name, "run": last.decode(), "state": state, "at": str(now_ms)}
                self._run({**event, "reason": "" if run is None else run.reason}, batch)

    def _found(self, run_id: str) -> Run | None:
        found = self.deployment.ledger.run(run_id)
        if found is not None:
            return found
        try:
            return self.deployment.results.run(run_id)
        except DkronpyError:
            return None

    def _read(self, block_ms: int) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
        answer: Any = self._client.xread({self._events: self._position}, count=EVENTS, block=block_ms)
        if not answer:
            return []
        rows: Sequence[tuple[bytes, dict[bytes, bytes]]]
        rows = next(iter(answer.values()))[0] if isinstance(answer, dict) else answer[0][1]
        return rows

    def _has_gap(self, rows: Sequence[tuple[bytes, Any]]) -> bool:
        """Whether events after our position were trimmed: the entry that we stand at is gone, and was not the last."""
        if self._position == "0-0" or self._client.xrange(self._events, self._position, self._position):
            return False
        oldest = self._client.xrange(self._events, count=1)
        return bool(oldest) and _stream_key(oldest[0][0].decode()) > _stream_key(self._position)

    @property
    def _client(self) -> Any:
        return self.deployment.store.client

    @property
    def _events(self) -> str:
        return self.deployment.store.keys.events

    @property
    def _reminder_ms(self) -> int:
        return self.deployment.settings.notify_reminder // _MS


def due_of(run_id: str) -> int | None:
    """The due time in a run's id; None for a run that no schedule caused."""
    text = run_id.rpartition("@")[2]
    if not text.endswith("Z"):
        return None
    try:
        return to_ms(datetime.fromisoformat(text[:-1] + "+00:00"))
    except ValueError:
        return None


def _stream_key(entry: str) -> tuple[int, int]:
    ms, _, sequence = entry.partition("-")
    return int(ms), int(sequence or 0)


def _of_execution(kind: str, event: dict[str, str], state: str) -> Happening:
    return Happening(
        event=kind, job=event["job"], at_ms=int(event["at"]), run_id=event["run"], execution_id=event["execution"],
        state=state, reason=event.get("reason", ""),
    )  # fmt: skip


def _with_defaults(rule: Notify, channel: Channel) -> Notify:
    """The rule with what the channel listens to, where the job names the channel and nothing else."""
    return channel.rule if rule == Notify(rule.to) else rule
