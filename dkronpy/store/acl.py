"""What each role may do in the store, as rules of Redis's ACL: its own keys, its own queue, its own channels.

They need Redis 7 or Valkey, which can grant a key for reading alone. Who may save a job may run any program on the
nodes, so beat and server are trusted; an agent is not. It reads definitions and writes none, takes messages from its
own queue and puts none into another, and sees no token of the API.
"""

from __future__ import annotations

from typing import Literal, get_args

from dkronpy.errors import ConfigError
from dkronpy.store.keys import Keys

Role = Literal["beat", "agent", "server"]
ROLES: tuple[Role, ...] = get_args(Role)

_CONNECTION = "-@all +@connection +ping +info +time +command"
_DATA = "+@read +@write +@pubsub +@transaction +eval +evalsha +script|load +script|exists +role"
_NOTHING_DANGEROUS = "-@dangerous +info +role +config|get"
COMMANDS = tuple(f"{_CONNECTION} {_DATA} {_NOTHING_DANGEROUS}".split())
_AGENT_WRITES = (
    "run:*",
    "exec:*",
    "job:*",
    "out:*",
    "results:*",
    "open",
    "done",
    "events",
    "token",
    "nodes",
    "quarantine",
    "pool:*",
    "wait:*",
    "rate:*",
    "replicated",
)
_AGENT_READS = ("def:*", "node:*", "jobs", "shards", "paused", "pools")
_BESIDE = "[^-a-zA-Z0-9._]"
"""A character that no node's name has: kombu puts two before the digit of a queue with a priority."""


def rules(role: Role, keys: Keys, *, node: str = "", database: int = 0) -> tuple[str, ...]:
    """The rules of a role's user, as ``ACL SETUSER`` takes them, without its password.

    *node* is the name of the agent's node. Raises ConfigError where it is missing, and for an unknown role.
    """
    if role not in ROLES:
        raise ConfigError(f"role: {role!r} has no rules; accepted: {', '.join(ROLES)}")
    if role == "agent" and not node:
        raise ConfigError("node: the rules of an agent are for one node", hint="--node NAME, as the agent's --name")
    granted = _agent(keys, node) if role == "agent" else _trusted(keys)
    # a pattern that is subscribed to has to stand here letter by letter
    names = (f"/{database}.celery.pidbox", f"/{database}.celeryev/*", "celery-task-meta-*")
    celery = [f"&{keys.broker}{name}" for name in names]
    return (*granted, *celery, *COMMANDS)


def _trusted(keys: Keys) -> list[str]:
    names = [keys.prefix, keys.redbeat, *_celery(keys)]
    return [f"~{name}*" for name in (*names, keys.queue(""))] + [f"&{keys.prefix}*"]


def _agent(keys: Keys, node: str) -> list[str]:
    queue = keys.queue(node)
    writes = [keys.prefix, *(keys.prefix + name for name in _AGENT_WRITES), keys.node(node)]
    writes += [queue, f"{queue}{_BESIDE}{_BESIDE}[0-9]", *(f"{name}*" for name in _celery(keys, node))]
    reads = [*(keys.prefix + name for name in _AGENT_READS), keys.redbeat + "*"]
    channels = [keys.wake, keys.control(node)]
    return [*(f"~{name}" for name in writes), *(f"%R~{name}" for name in reads), *(f"&{name}" for name in channels)]


def _celery(keys: Keys, node: str = "*") -> list[str]:
    """Celery's own keys: where messages go, which are under way, its copy of results, orders to workers and answers."""
    names = (
        "_kombu.binding",
        "unacked",
        "celery-task-meta-",
        f"{node}@*.celery.pidbox",
        "*.reply.celery.pidbox",
        "celeryev",
    )
    return [keys.broker + name for name in names]
