"""Connections to Redis, the scripts on them, and one clear line when it is away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dkronpy.errors import ConfigError, StoreRefusedError, StoreUnavailableError
from dkronpy.redis_pool import directory_of, pool_of
from dkronpy.settings.redis_url import SCHEMES, read_redis_url, scheme_of, split_url
from dkronpy.store.confirm import NotReplicatedError, Replicas, TooFewReplicasError, refusal
from dkronpy.store.keys import Keys
from dkronpy.store.line import StepLine

CONNECT_TIMEOUT = 2.0
SOCKET_TIMEOUT = 5.0


def mask_url(url: str) -> str:
    """The URL without its password, which may stand before the host or, as redis-py has it, in the query."""
    parts = split_url(url)
    if not parts.password and "password=" not in parts.query:
        return url
    if parts.password:
        host = parts.netloc.rpartition("@")[2]
        parts = parts._replace(netloc=f"{parts.username or ''}:***@{host}")
    if "password=" in parts.query:
        shown = [(name, "***" if name.endswith("password") else value) for name, value in parse_qsl(parts.query)]
        parts = parts._replace(query=urlencode(shown, safe="*/"))
    return urlunsplit(parts)


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Turn what redis-py raises when Redis is away, or full, into one line that names the address."""
    try:
        yield
    except (NotReplicatedError, TooFewReplicasError) as error:
        raise StoreUnavailableError(
            f"Redis at {mask_url(url)} has too few replicas: {error}",
            hint="look at `INFO replication` there; what was not confirmed may be there all the same",
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailableError(
            f"cannot reach Redis at {mask_url(url)}: {error}",
            hint="start one with `dkronpy up`, or look closer with `dkronpy doctor`",
        ) from error
    except redis.OutOfMemoryError as error:
        raise StoreUnavailableError(
            f"Redis at {mask_url(url)} is full and takes nothing more",
            hint="raise its maxmemory (`CONFIG SET maxmemory`), or keep less in it",
        ) from error


def connect(url: str, *, key: str = "", timeout: float = SOCKET_TIMEOUT, decode: bool = False) -> Any:
    """A client (bytes in, bytes out unless *decode*) that fails within seconds and never retries behind our back.

    *key* is one of the keys that it is for: a Cluster is asked who holds it. Raises ConfigError for a URL that is not
    Redis's. Untyped, since redis-py's types cannot tell bytes from str.
    """
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        raise ConfigError(f"store_url: {mask_url(url)!r} is not a Redis URL; accepted: {', '.join(SCHEMES)}://")
    try:
        pool = pool_of(
            url,
            key,
            socket_timeout=timeout,
            socket_connect_timeout=CONNECT_TIMEOUT,
            health_check_interval=5,
            retry=Retry(NoBackoff(), 0),
            decode_responses=decode,
        )
    except ValueError:  # its text, and the URL, may hold a piece of a password here
        raise ConfigError(
            f"store_url: this {scheme}:// URL has a port or an option that cannot be read",
            hint=f"{scheme}://user:password@host:6379/0, special characters of the password as %2F",
        ) from None
    return redis.Redis.from_pool(pool)  # which closes it with itself


UNCONFIRMED = frozenset({"know", "read", "ended", "let_go"})
"""The steps that write nothing, or nothing that could not be lost and done again: no replica need confirm them."""
SHARED = ("record", "gate")
"""The files that stand in front of every step, in this order."""


class Scripts:
    """The Lua steps, loaded once, each called by its file's name."""

    replicas: Replicas | None = None

    def __init__(self, client: Any, keys: Keys, replicas: Replicas | None = None) -> None:
        self.replicas = replicas
        folder = files("dkronpy.store.lua")
        prelude = self.shared("".join((folder / f"{name}.lua").read_text() for name in SHARED))
        self._prefixes = (keys.prefix, keys.redbeat)
        self._scripts = {
            path.name[:-4]: client.register_script(prelude + path.read_text())
            for path in folder.iterdir()
            if path.name.endswith(".lua") and path.name[:-4] not in SHARED
        }

    def shared(self, text: str) -> str:
        """What stands in front of every step, here as it is written."""
        return text

    def call(self, step: str, *args: Any, client: Any = None) -> Any:
        """Run one step with its own arguments; in a pipeline where *client* is one.

        It names one key, which does not exist: a Cluster refuses a step on a server that does not hold its slot.
        """
        script, args = self._scripts[step], (*self._prefixes, *args)
        if self.replicas is not None and client is None and step not in UNCONFIRMED:
            return self.replicas.step(script, self._prefixes[0], args)
        try:
            return script(keys=self._prefixes[:1], args=args, client=client)
        except redis.ResponseError as error:
            raise refusal(error) from None

    def call_between(
        self, step: str, *args: Any, first: Sequence[tuple[Any, ...]], reads: Sequence[str]
    ) -> list[Any]:  # fmt: skip
        """A step, then HGETALL of *reads*, in one round trip: the step's answer and the hashes, or the error of each.

        Commands that go *first* are sent with them, whatever comes of those. Raises what the step itself does.
        """
        script, (key, _) = self._scripts[step], self._prefixes
        with script.registered_client.pipeline(transaction=False) as pipe:
            for command in first:
                pipe.execute_command(*command)
            pipe.evalsha(script.sha, 1, key, *self._prefixes, *args)
            for name in reads:
                pipe.hgetall(name)
            answers: list[Any] = pipe.execute(raise_on_error=False)[len(first) :]
        if isinstance(answers[0], redis.exceptions.NoScriptError):  # a server that has just come up
            script.registered_client.script_load(script.script)
            return self.call_between(step, *args, first=(), reads=reads)
        if isinstance(answers[0], redis.ResponseError):
            raise refusal(answers[0])
        return answers

    def line(self, step: str) -> StepLine:
        """Many calls of one step, each sent while the store works on those before it."""
        return StepLine(self._scripts[step], self._prefixes)


class Store:
    """One Redis: the client, the keys and the steps, as every service shares them."""

    def __init__(
        self, url: str, keys: Keys | None = None, *, timeout: float = SOCKET_TIMEOUT, replicas: int = 0
    ) -> None:
        self.url = url
        self.keys = keys or Keys()
        self.client = connect(url, key=self.keys.prefix, timeout=timeout)
        self.replicas = Replicas(self.client, self.keys.replicated, replicas)
        self.scripts = Scripts(self.client, self.keys, self.replicas if replicas else None)
        self.shards = 1
        """How many shards of due times there are, as far as is known here; ``read_shards`` asks."""

    @property
    def where(self) -> str:
        """The address, fit to be shown."""
        return mask_url(self.url)

    def server_url(self) -> str:
        """The URL of the one server that answers for the store now. Raises redis.ConnectionError where none does."""
        url = read_redis_url(self.url)
        directory = directory_of(url, self.keys.prefix)
        return self.url if directory is None else url.at(*directory.master())

    def now_ms(self) -> int:
        """The store's own time, which decides."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def read_shards(self) -> int:
        """How many shards of due times there are."""
        self.shards = int(self.client.get(self.keys.shards) or 1)
        return self.shards

    def set_shards(self, shards: int) -> None:
        """Have so many from now on; jobs that stand elsewhere are to be moved (``Ledger.move``).

        Until ``shards_settled`` it is known how many there were, so that whoever changes a job, and whoever goes on
        with the moving, finds it.
        """
        former = max(self.read_shards(), self.former_shards())
        self.client.mset({self.keys.former_shards: former, self.keys.shards: shards})
        self.shards = shards

    def former_shards(self) -> int:
        """How many there were, while jobs are being moved; 0 where all stand where they belong."""
        return int(self.client.get(self.keys.former_shards) or 0)

    def shards_settled(self) -> None:
        """All jobs have been moved."""
        self.client.delete(self.keys.former_shards)

    def errors(self) -> Any:
        """Context manager: StoreUnavailableError instead of redis-py's errors."""
        return store_errors(self.url)

    def close(self) -> None:
        """Let the connections go."""
        self.client.close()


def check_durability(store: Store, *, allow_volatile: bool) -> str:
    """Say how durable the store is: ``D0`` volatile, ``D1`` append-only file, ``D2`` with fsync at every write, ``D3``
    where replicas have what is recorded before anything follows from it.

    Raises StoreRefusedError for a store that may forget or evict what it was told, unless allowed.
    """
    with store.errors():
        persistence, memory = store.client.info("persistence"), store.client.info("memory")
    wrong = []
    if not int(persistence.get("aof_enabled", 0)):
        wrong.append("the append-only file is off (`CONFIG SET appendonly yes`, and in its configuration file)")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        wrong.append(f"maxmemory-policy is {policy} (`CONFIG SET maxmemory-policy noeviction`)")
    if not wrong:
        try:
            told = store.client.config_get("appendfsync", "min-replicas-to-write")
        except redis.ResponseError:  # an ACL may forbid CONFIG
            told = {}
        if store.replicas.wanted and int(told.get("min-replicas-to-write", 0)) >= store.replicas.wanted:
            return "D3"
        return "D2" if told.get("appendfsync") == "always" else "D1"
    if not allow_volatile:
        raise StoreRefusedError(
            f"the store at {store.where} would lose runs: " + "; ".join(wrong),
            hint="mend it, or pass --allow-volatile if losing runs is acceptable here",
        )
    return "D0"
