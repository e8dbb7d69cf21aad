"""The checks of the store itself: is it reachable, recent enough, and will it keep what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import redis

from dkronpy.client import Client
from dkronpy.clock import Clock
from dkronpy.errors import StoreRefusedError
from dkronpy.store.connection import check_durability
from dkronpy.supervisor.checks import Finding, fail, ok, run_checks, warn

OLDEST_STORE = (6, 2)
_FULL = 0.9
_CLOCK_WARN_MS, _CLOCK_FAIL_MS = 500, 5_000
_LEVELS = {
    "D0": "volatile",
    "D1": "append-only file: a crash loses nothing, a power cut at most about a second",
    "D2": "append-only file with fsync at every write: a power cut loses nothing",
    "D3": "what is recorded is on replicas before anything follows from it: a failover loses nothing",
}


def check_store(client: Client, clock: Clock, *, allow_volatile: bool) -> Iterator[Finding]:
    """The checks of a store that answers."""
    store = client.deployment.store
    try:
        with store.errors():
            info: dict[str, Any] = store.client.info()
    except redis.ResponseError as error:
        yield warn("persistence", f"could not be checked: {error}", "let this user run INFO")
        yield from run_checks([("clock", lambda: _clock(client, clock))])
        return
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("store version", lambda: _version(info)),
        ("persistence", lambda: _persistence(client, info, allow_volatile=allow_volatile)),
        ("eviction", lambda: _eviction(info, allow_volatile=allow_volatile)),
        ("memory", lambda: _memory(info)),
        ("clock", lambda: _clock(client, clock)),
        ("open ports", lambda: _open_ports(client)),
    ]
    yield from run_checks(checks)


def _version(info: dict[str, Any]) -> Finding:
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    text = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if tuple(int(part) for part in text.split(".")[:2] if part.isdecimal()) < OLDEST_STORE:
        least = ".".join(map(str, OLDEST_STORE))
        return fail("store version", f"{name} {text} is too old", f"upgrade to {least} or later, or to Valkey")
    return ok("store version", f"{name} {text}")


def _persistence(client: Client, info: dict[str, Any], *, allow_volatile: bool) -> Finding:
    if not int(info.get("aof_enabled", 0)):
        fix = "CONFIG SET appendonly yes, and in the server's configuration file"
        said = warn if allow_volatile else fail
        return said("persistence", "D0: the append-only file is off, a restart forgets every run", fix)
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get(name, "ok") != "ok":
            return fail("persistence", f"{name} is {info[name]}", "look at the disk's space and the server's log")
    try:
        level = check_durability(client.deployment.store, allow_volatile=False)
    except StoreRefusedError:  # eviction, which has a check of its own
        return ok("persistence", "append-only file")
    wanted = client.deployment.store.replicas.wanted
    if wanted and level != "D3":
        fix = f"CONFIG SET min-replicas-to-write {wanted}, and in the server's configuration file"
        return warn("persistence", f"{level}: a master that is cut off from its replicas goes on taking writes", fix)
    return ok("persistence", f"{level}: {_LEVELS[level]}")


def _eviction(info: dict[str, Any], *, allow_volatile: bool) -> Finding:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ok("eviction", policy)
    said = warn if allow_volatile else fail
    return said("eviction", f"maxmemory-policy is {policy}, which drops runs", "CONFIG SET maxmemory-policy noeviction")


def _memory(info: dict[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    told = f"{used / 1e6:,.0f} MB" + (f" of {most / 1e6:,.0f} MB" if most else ", no limit")
    if most and used > most * _FULL:
        return fail("memory", f"{told}: runs are refused when it is full", "raise maxmemory, or lower history_limit")
    return ok("memory", told)


def _open_ports(client: Client) -> Finding:
    connection = client.deployment.store.client
    try:
        told = connection.config_get("bind", "port", "protected-mode")
        default = connection.acl_getuser("default")
    except redis.ResponseError:
        return ok("open ports", "this user may not ask the store where it listens, which is as it should be")
    free = "on" in default["flags"] and "nopass" in default["flags"]
    return exposure(told.get("bind", ""), int(told["port"]), free=free, protected=told.get("protected-mode") == "yes")


def exposure(bind: str, port: int, *, free: bool, protected: bool) -> Finding:
    """Who can reach a store that listens like this; *free*: without a password, *protected*: then from here only."""
    hosts = [host.lstrip("-") for host in bind.split()] or ["*"]
    elsewhere = [host for host in hosts if not (host == "::1" or host.startswith("127."))]
    if not port or not elsewhere or (free and protected):
        return ok("open ports", "nobody reaches the store in the clear from another machine")
    where = f"the store listens on {', '.join(elsewhere)}, port {port}"
    if free:
        fix = "set a password (`dkronpy config acl` prints a user for each role), or bind 127.0.0.1"
        return fail(
            "open ports", f"{where}, without a password: whoever reaches it can run anything on every node", fix
        )
    return warn("open ports", f"{where}, in the clear", "`dkronpy certs` makes certificates; then port 0 and tls-port")


def _clock(client: Client, clock: Clock) -> Finding:
    store = client.deployment.store
    with store.errors():
        before, theirs, after = clock.now_ms(), store.now_ms(), clock.now_ms()
    off = round((before + after) / 2) - theirs
    told = f"this machine is {abs(off)} ms {'ahead of' if off > 0 else 'behind'} the store"
    if abs(off) > _CLOCK_FAIL_MS:
        return fail("clock", told, "let chrony or systemd-timesyncd keep both clocks")
    if abs(off) > _CLOCK_WARN_MS:
        return warn("clock", told, "let chrony or systemd-timesyncd keep both clocks")
    return ok("clock", told)
