"""Every Redis key that dkronpy uses, and for each family what bounds it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from dkronpy.node import queue_name


def name_hash(job: str) -> int:
    """What decides on the shard of a job."""
    return zlib.crc32(job.encode())


def shard_of(job: str, shards: int) -> int:
    """The shard that a job belongs to."""
    return name_hash(job) % shards


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The names of all keys under two prefixes: ours and RedBeat's.

    Lua gets ``prefix`` and ``redbeat`` and builds the same names (``lua/record.lua``).
    """

    prefix: str = "dkronpy:"
    redbeat: str = "redbeat:"
    broker: str = ""
    """What stands before Celery's keys: nothing, but in a Cluster, where they share our slot."""

    @property
    def schedule(self) -> str:
        """Sorted set: entry key → next due time in seconds (RedBeat's)."""
        return self.redbeat + ":schedule"

    def schedule_of(self, shard: int) -> str:
        """The sorted set of one shard; the first is RedBeat's."""
        return f"{self.schedule}:{shard}" if shard else self.schedule

    def entry(self, job: str) -> str:
        """Hash: RedBeat's ``definition`` and ``meta``; ours ``job``, ``rev``, ``anchor``, ``saved_ms``, ``source``...

        The rest: ``who`` and ``why`` of the revision in force, ``applied``, the one that its source last made,
        and ``wish``, what the source wants where it let an operator's change stand.
        """
        return self.redbeat + job

    def job_of(self, entry_key: str) -> str:
        """The job's name out of its entry key."""
        return entry_key[len(self.redbeat) :]

    @property
    def jobs(self) -> str:
        """Set: the names of all our jobs."""
        return self.prefix + "jobs"

    def job_state(self, job: str) -> str:
        """Hash: counters, last outcomes and status of a job."""
        return f"{self.prefix}job:{job}"

    def job_runs(self, job: str) -> str:
        """Sorted set: run id → due time in ms; trimmed to the history limit."""
        return f"{self.prefix}job:{job}:runs"

    def job_history(self, job: str) -> str:
        """List: former revisions of a job as msgpack, the newest first; trimmed, and expiring once it is deleted."""
        return f"{self.prefix}job:{job}:history"

    def job_active(self, job: str) -> str:
        """Set: executions of a job that are not settled."""
        return f"{self.prefix}job:{job}:active"

    def children(self, job: str) -> str:
        """Set: the jobs that follow this one."""
        return f"{self.prefix}job:{job}:children"

    def definition(self, job: str, revision: int) -> str:
        """String: an earlier revision of a definition, kept while runs of it may still be open."""
        return f"{self.prefix}def:{job}:{revision}"

    def ping(self, job: str) -> str:
        """String with expiry: the attempt that a ping began and another one will end."""
        return f"{self.prefix}ping:{job}"

    def run(self, run_id: str) -> str:
        """Hash: a run."""
        return f"{self.prefix}run:{run_id}"

    def execution(self, execution_id: str) -> str:
        """Hash: an execution with its attempts."""
        return f"{self.prefix}exec:{execution_id}"

    def output(self, execution_id: str, attempt: int) -> str:
        """Stream: the live output of an attempt."""
        return f"{self.prefix}out:{execution_id}:{attempt}"

    @property
    def open(self) -> str:
        """Sorted set: each execution that is not settled → when it must next be looked at, in ms."""
        return self.prefix + "open"

    @property
    def done(self) -> str:
        """Sorted set: each run that ended and awaits the leader's last rites → not before, in ms."""
        return self.prefix + "done"

    @property
    def runs(self) -> str:
        """Sorted set: recent runs of all jobs → fired at, in ms; trimmed."""
        return self.prefix + "runs"

    @property
    def pools(self) -> str:
        """Hash: pool → how many slots it has."""
        return self.prefix + "pools"

    def pool(self, name: str) -> str:
        """Hash: the runs that hold slots of a pool → how many."""
        return f"{self.prefix}pool:{name}"

    def waiting(self, gate: str) -> str:
        """Sorted set: the runs that wait at a gate (``pool:<name>``; the others are in ``gate.lua``), in order."""
        return f"{self.prefix}wait:{gate}"

    @property
    def events(self) -> str:
        """Stream: every change of state; trimmed."""
        return self.prefix + "events"

    @property
    def token(self) -> str:
        """Counter: the last fencing token."""
        return self.prefix + "token"

    @property
    def leader(self) -> str:
        """Hash with expiry: who leads, since when, with which epoch."""
        return self.prefix + "leader"

    def leader_of(self, shard: int) -> str:
        """The same for one shard; the first is ``leader``."""
        return f"{self.leader}:{shard}" if shard else self.leader

    @property
    def beats(self) -> str:
        """Sorted set with expiry: each beat that is there → when it last said so, in ms."""
        return self.prefix + "beats"

    @property
    def shards(self) -> str:
        """String: how many shards of due times there are; 1 where it is missing."""
        return self.prefix + "shards"

    @property
    def former_shards(self) -> str:
        """String: how many shards there were, while jobs are moved to their new ones; else missing."""
        return self.prefix + "shards_former"

    @property
    def pace(self) -> str:
        """String with expiry: the moment, in ms, that the next make-up run would get."""
        return self.prefix + "pace"

    @property
    def epoch(self) -> str:
        """Counter: the last epoch of leadership."""
        return self.prefix + "epoch"

    def node(self, name: str) -> str:
        """Hash with expiry: what a node's agent last reported."""
        return f"{self.prefix}node:{name}"

    @property
    def nodes(self) -> str:
        """Sorted set: node name → last heartbeat in ms."""
        return self.prefix + "nodes"

    @property
    def quarantine(self) -> str:
        """Hash: malformed entries and messages, by key → what was wrong; capped."""
        return self.prefix + "quarantine"

    @property
    def pauses(self) -> str:
        """Hash: id → a pause, in force, ahead, or over for a few days; capped."""
        return self.prefix + "pauses"

    @property
    def calendars(self) -> str:
        """Hash: name → a calendar that jobs share; capped."""
        return self.prefix + "calendars"

    @property
    def notify(self) -> str:
        """What the notifier's keys begin with: its office, position, conditions, timers and outbox."""
        return self.prefix + "notify:"

    @property
    def replicated(self) -> str:
        """Written after a step whose arrival at replicas is waited for."""
        return self.prefix + "replicated"

    @property
    def wake(self) -> str:
        """Channel: something is due sooner than beat thinks."""
        return self.prefix + "wake"

    def queue(self, node: str) -> str:
        """List: the messages for a node, where the broker is this Redis (Celery's)."""
        return self.broker + queue_name(node)

    def control(self, node: str) -> str:
        """Channel: orders for one node's agent."""
        return f"{self.prefix}control:{node}"


def bounded(prefix: str = "dkronpy:", redbeat: str = "redbeat:") -> tuple[re.Pattern[str], ...]:
    """The families that may live without an expiry, because something else bounds them.

    By the number of jobs: entries, schedule, jobs, job state. By trimming: runs, events, quarantine.
    By their own content, since an empty one vanishes: active, open, done, pool, wait. One each: token, epoch, shards,
    shards_former.
    By the number of jobs, channels and open runs, and by trimming: what the notifier keeps. By a cap: pauses and
    calendars.
    By the number of tokens, policies and days: what the API adds. By the number of nodes: nodes, and Celery's queues
    and bindings. Records of open executions end with them.
    """
    p, r = re.escape(prefix), re.escape(redbeat)
    families = (
        rf"{r}.*",
        rf"{p}(jobs|open|done|runs|events|token|epoch|shards(_former)?|nodes|quarantine|replicated|paused|pauses|calendars)",
        rf"{p}(access|stats):(?!repeat:).*",
        rf"{p}job:.*",
        rf"{p}(pools|(pool|wait):.*)",
        rf"{p}notify:.*",
        r"_kombu\.binding.*",
        r"dkronpy\.node\..*",
        r"unacked.*",
    )
    return tuple(re.compile(f"^(?:{family})$") for family in families)


BOUNDED = bounded()
