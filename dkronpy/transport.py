"""Celery's broker and its results where they are a Redis of ours: over TLS, behind Sentinels, in a Cluster.

kombu knows Sentinels in its own way and Clusters not at all; here both follow the master as our store does.
"""

from __future__ import annotations

from typing import Any

import redis
from celery.backends.redis import RedisBackend
from kombu.transport.redis import Channel, Transport

from dkronpy.redis_pool import FollowingConnection, FollowingTLSConnection, directory_of, tls_options
from dkronpy.settings.redis_url import SCHEMES, RedisUrl, read_redis_url, scheme_of

URL, KEY = "dkronpy_url", "dkronpy_key"
TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 5,
    "fanout_prefix": True,
    "fanout_patterns": True,
}


class FollowingChannel(Channel):  # type: ignore[misc]  # no types there
    """kombu's Redis channel on connections that follow the master."""

    from_transport_options = (*Channel.from_transport_options, URL, KEY)
    connection_class = FollowingConnection
    connection_class_ssl = FollowingTLSConnection

    def _get_pool(self, asynchronous: bool = False) -> redis.ConnectionPool:
        options = self._connparams(asynchronous=asynchronous)
        self.keyprefix_fanout: str = self.keyprefix_fanout.format(db=options["db"])
        return redis.ConnectionPool(
            directory=directory_of(read_redis_url(self.dkronpy_url), self.dkronpy_key), **options
        )


class FollowingTransport(Transport):  # type: ignore[misc]  # no types there
    """The Redis transport with that channel."""

    Channel = FollowingChannel


class FollowingBackend(RedisBackend):  # type: ignore[misc]  # no types there
    """Celery's Redis backend on connections that follow the master."""

    connection_class_ssl = FollowingTLSConnection

    def _get_pool(self, **options: Any) -> redis.ConnectionPool:
        known = self.app.conf.result_backend_transport_options
        options.setdefault("connection_class", FollowingConnection)
        return redis.ConnectionPool(directory=directory_of(read_redis_url(known[URL]), known[KEY]), **options)


def celery_url(url: RedisUrl) -> str:
    """The address as Celery writes it: a Unix socket is ``redis+socket://`` there, and TLS stands beside it."""
    if url.plain.startswith("unix://"):
        return "redis+socket" + url.plain[4:]
    return url.plain.partition("?")[0] if url.tls or url.kind != "server" else url.plain


def broker_configuration(text: str, prefix: str) -> dict[str, Any]:
    """Celery's settings of a broker; *prefix* stands before its keys."""
    options = {**TRANSPORT_OPTIONS, **({"global_keyprefix": prefix} if prefix else {})}
    if scheme_of(text) not in SCHEMES:
        return {"broker_url": text, "broker_transport_options": options}
    url = read_redis_url(text)
    found: dict[str, Any] = {"broker_url": celery_url(url)}
    if url.kind != "server":
        found["broker_transport"] = f"{__name__}:FollowingTransport"
        options |= {URL: text, KEY: prefix}
    if url.tls:
        found["broker_use_ssl"] = tls_options(url)
    return {**found, "broker_transport_options": options}


def backend_configuration(text: str, prefix: str) -> dict[str, Any]:
    """Celery's settings of its results in our store."""
    if not text:
        return {"result_backend": text}
    url = read_redis_url(text)
    found: dict[str, Any] = {"result_backend": celery_url(url)}
    if url.kind != "server":
        found["result_backend"] = f"{__name__}:FollowingBackend+{celery_url(url)}"
        options = {URL: text, KEY: prefix}
        if url.kind == "cluster":
            options["global_keyprefix"] = prefix
        found["result_backend_transport_options"] = options
    if url.tls:
        found["redis_backend_use_ssl"] = tls_options(url)
    return found
