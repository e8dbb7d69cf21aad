"""What the benchmarks of many jobs share: a store that holds them, and a beat that they are given to.

A million saves take many minutes; here one job is saved as every user saves it, and what that wrote is copied inside
the server under further names: entry, state, name and next due time. `scripts/bench memory` saves each by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dkronpy.deployment import Deployment
from dkronpy.job import Job, Run
from dkronpy.node import Node
from dkronpy.store.keys import shard_of
from dkronpy.store.redbeat import score_of

COMMAND = Run("shell", {"command": "true"})
NODE = Node(name="bench", instance="bench")
_CHUNK = 2000
_COPY = """
local P, R, name = ARGV[1], ARGV[2], ARGV[3]
local pattern = string.gsub(name, '%-', '%%-')
local entry = redis.call('HGETALL', R .. name)
local state = redis.call('HGETALL', P .. 'job:' .. name)
for i = 4, #ARGV do
  local copy = {}
  for n = 1, #entry do copy[n] = string.gsub(entry[n], pattern, ARGV[i]) end
  redis.call('HSET', R .. ARGV[i], unpack(copy))
  redis.call('HSET', P .. 'job:' .. ARGV[i], unpack(state))
  redis.call('SADD', P .. 'jobs', ARGV[i])
end
"""


def name_of(number: int) -> str:
    """The name of a job of the benchmark."""
    return f"job-{number:07d}"


def store_jobs(deployment: Deployment, count: int, schedule: str, **fields: Any) -> list[str]:
    """Store *count* jobs with *schedule*; nothing of them is due before ``schedule_at`` says so."""
    store, keys = deployment.store, deployment.store.keys
    names = [name_of(number) for number in range(count)]
    deployment.jobs.save(Job(name=names[0], schedule=schedule, run=COMMAND, **fields))
    copy = store.client.register_script(_COPY)
    for start in range(1, count, _CHUNK):
        copy(keys=(), args=(keys.prefix, keys.redbeat, names[0], *names[start : start + _CHUNK]))
    return names


def schedule_at(deployment: Deployment, names: Sequence[str], due_ms: Sequence[int]) -> None:
    """Put the next due time of each job on the schedule."""
    store = deployment.store
    shards = store.read_shards()
    pairs = list(zip(names, due_ms, strict=True))
    for start in range(0, len(pairs), _CHUNK):
        with store.client.pipeline(transaction=False) as pipe:
            for name, due in pairs[start : start + _CHUNK]:
                pipe.zadd(store.keys.schedule_of(shard_of(name, shards)), {store.keys.entry(name): score_of(due)})
            pipe.execute()


def resident_mb(pid: int) -> float:
    """The memory that a process holds, in MB (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise SystemExit(f"process {pid} has ended")


def processor_seconds(pid: int) -> float:
    """The processor time that all threads of a process have used (proc(5), schedstat, which counts in nanoseconds)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
