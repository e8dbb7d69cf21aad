"""Everything that the ledger holds at one moment, read in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dkronpy.execution import TERMINAL, due_of, execution_id, job_of, run_of
from dkronpy.store.keys import BOUNDED, Keys
from tests.model.steps import CLOCK

_DUMP = """
local P = ARGV[1]
local rows = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, ''
  if key:sub(1, #P + 5) == P .. 'exec:' then
    local last = 'a' .. (redis.call('HGET', key, 'attempt') or '0') .. '.'
    value = redis.call('HMGET', key, 'state', 'reason', 'node', 'token', 'attempt', 'mode',
      'max_attempts', 'amended', last .. 'state', last .. 'node', last .. 'token', 'start_by_ms', 'end_by_ms')
  elseif key:sub(1, #P + 4) == P .. 'run:' then
    value = redis.call('HMGET', key, 'state', 'reason', 'trigger', 'decision', 'until_ms', 'count',
      'revision', 'open', 'size', 'waits', 'finished_ms')
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'string' then value = redis.call('GET', key)
  end
  rows[#rows + 1] = { key, kind, redis.call('PTTL', key), value }
end
return rows
"""


@dataclass(frozen=True)
class ExecutionRow:
    """An execution with what is known of its last attempt."""

    id: str
    ttl: int
    run: str
    job: str
    state: str
    reason: str
    node: str
    token: int
    attempt: int
    mode: str
    max_attempts: int
    amended: bool
    last_state: str
    last_node: str
    last_token: int
    start_by: int
    end_by: int

    @property
    def terminal(self) -> bool:
        """Whether it has ended."""
        return self.state in TERMINAL


@dataclass(frozen=True)
class RunRow:
    """A run; ``count`` due times from ``due_ms`` to ``until_ms`` where that is not 0."""

    id: str
    ttl: int
    job: str
    state: str
    reason: str
    trigger: str
    decision: str
    due_ms: int
    until_ms: int
    count: int
    revision: int
    open: int
    executions: tuple[str, ...]
    waits: str
    """The gate at which it waits, or waited to its end; '' for one that was let in."""
    finished_ms: int


@dataclass
class Snapshot:
    """The ledger, by kind of key."""

    executions: dict[str, ExecutionRow] = field(default_factory=dict)
    runs: dict[str, RunRow] = field(default_factory=dict)
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    sets: dict[str, set[str]] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    strings: dict[str, str] = field(default_factory=dict)
    without_bound: list[str] = field(default_factory=list)

    @cached_property
    def of_run(self) -> dict[str, list[ExecutionRow]]:
        """The executions that exist, by run."""
        found: dict[str, list[ExecutionRow]] = {}
        for row in self.executions.values():
            found.setdefault(row.run, []).append(row)
        return found


def _number(value: bytes | None) -> int:
    return int(value or 0)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _execution(name: str, ttl: int, v: Sequence[bytes | None]) -> ExecutionRow:
    state, reason, node, token, attempt, mode, most, amended, last_state, last_node, last_token, start_by, end_by = v
    return ExecutionRow(
        id=name, ttl=ttl, run=run_of(name), job=job_of(name), state=_text(state) or "queued", reason=_text(reason),
        node=_text(node), token=_number(token), attempt=_number(attempt), mode=_text(mode) or "at_most_once",
        max_attempts=_number(most) or 1, amended=amended == b"1",
        last_state=_text(last_state) or ("running" if attempt else ""), last_node=_text(last_node),
        last_token=_number(last_token), start_by=_number(start_by), end_by=_number(end_by),
    )  # fmt: skip


def _run(name: str, ttl: int, v: Sequence[bytes | None]) -> RunRow:
    state, reason, trigger, decision, until, count, revision, is_open, size, waits, finished = v
    still = int(state is None) if is_open is None else int(is_open)
    return RunRow(
        id=name, ttl=ttl, job=job_of(name), state=_text(state) or "running", reason=_text(reason),
        trigger=_text(trigger) or "schedule", decision=_text(decision) or "fire", due_ms=due_of(name),
        until_ms=_number(until), count=_number(count) or 1, revision=_number(revision), open=still,
        executions=tuple(execution_id(name, index) for index in range(1 if size is None else int(size))),
        waits=_text(waits), finished_ms=_number(finished),
    )  # fmt: skip


class Camera:
    """Takes snapshots of one store."""

    def __init__(self, client: Any, keys: Keys) -> None:
        self._dump = client.register_script(_DUMP)
        self._keys = keys

    def take(self) -> Snapshot:
        """Everything there is now."""
        prefix = self._keys.prefix
        shot = Snapshot()
        for raw, kind, ttl, value in self._dump(args=[prefix]):
            key = raw.decode()
            if key.startswith(prefix + "exec:"):
                row = _execution(key[len(prefix) + 5 :], ttl, value)
                shot.executions[row.id] = row
            elif key.startswith(prefix + "run:"):
                run = _run(key[len(prefix) + 4 :], ttl, value)
                shot.runs[run.id] = run
            else:
                _file(shot, key, kind.decode(), value)
                if ttl == -1 and key != CLOCK and not any(family.match(key) for family in BOUNDED):
                    shot.without_bound.append(key)
        return shot


def _file(shot: Snapshot, key: str, kind: str, value: Any) -> None:
    if kind == "hash":
        texts = [part.decode() for part in value]
        shot.hashes[key] = dict(zip(texts[::2], texts[1::2], strict=True))
    elif kind == "set":
        shot.sets[key] = {part.decode() for part in value}
    elif kind == "zset":
        shot.scores[key] = {name.decode(): float(score) for name, score in zip(value[::2], value[1::2], strict=True)}
    elif kind == "string":
        shot.strings[key] = value.decode("utf-8", "replace")
