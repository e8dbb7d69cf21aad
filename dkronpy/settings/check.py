"""Settings that are good by themselves and not together, and addresses that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dkronpy.errors import Problem
from dkronpy.settings.redis_url import SCHEMES, hash_tag, kind_of, read_redis_url, scheme_of
from dkronpy.settings.values import is_redis, read_networks

if TYPE_CHECKING:
    from dkronpy.settings.settings import Settings

MOST_SHARDS = 64


def contradictions(settings: Settings) -> list[Problem]:
    """Values that are good by themselves and not together."""
    problems = []
    if not 1 <= settings.shards <= MOST_SHARDS:
        problems.append(Problem("shards", settings.shards, f"accepted: 1 to {MOST_SHARDS}"))
    for name, limit, factor in (("lease_renew", "lease", 3), ("tick", "leader_ttl", 2)):
        value, most = getattr(settings, name), getattr(settings, limit) / factor
        if value > most:
            message = f"{value.total_seconds():g} s is more than {limit} / {factor} ({most.total_seconds():g} s)"
            problems.append(Problem(name, value, message, f"lower {name} or raise {limit}"))
    try:
        read_networks(settings.http_allow)
    except ValueError as error:
        hint = "accepted: networks and addresses separated by commas, as 127.0.0.0/8,::1"
        problems.append(Problem("http_allow", settings.http_allow, str(error), hint))
    if settings.store_url and not is_redis(settings.store_url):
        hint = f"accepted: {', '.join(SCHEMES)}://"
        problems.append(Problem("store_url", settings.store_url, "the store has to be Redis or Valkey", hint))
    if settings.broker_url and not settings.effective_store_url:
        message = "the broker is not Redis, so the store needs a URL of its own"
        problems.append(Problem("store_url", "", message, "set DKRONPY_STORE_URL=redis://..."))
    return problems + _redis(settings)


def _redis(settings: Settings) -> list[Problem]:
    """What is wrong with addresses of Redis.

    In a Cluster one step may touch keys of one slot only, and all our keys belong to the same steps.
    """
    urls = {name: getattr(settings, name) for name in ("broker_url", "store_url", "results_url")}
    problems = []
    for name, url in urls.items():
        if is_redis(url):
            try:
                read_redis_url(url)
            except ValueError as error:
                problems.append(Problem(name, f"{scheme_of(url)}://...", f"it cannot be read: {error}"))
    if problems or not any(is_redis(url) and kind_of(url) == "cluster" for url in urls.values()):
        return problems
    tag = hash_tag(settings.key_prefix)
    if not tag:
        message = "in a Redis Cluster all keys of a deployment lie in one slot, which a {tag} in the prefix chooses"
        return [Problem("key_prefix", settings.key_prefix, message, 'key_prefix = "{dkronpy}:"')]
    if hash_tag(settings.redbeat_key_prefix) != tag:
        message = f"in a Redis Cluster it has to have the tag of key_prefix, {{{tag}}}"
        hint = f'redbeat_key_prefix = "{{{tag}}}redbeat:"'
        return [Problem("redbeat_key_prefix", settings.redbeat_key_prefix, message, hint)]
    return []
