"""Pools by way of a server: the methods of ``dkronpy.client.pools.Pools``, each by one route."""

from __future__ import annotations

from dkronpy.client.pools import Pool, Pools
from dkronpy.remote.connection import Connection, segment
from dkronpy.wire.deployment import PoolList

_PATH = "/api/v1/pools"


class RemotePools(Pools):
    """The pools of the deployment behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def all(self) -> list[Pool]:
        return [pool for page in self.connection.pages(PoolList, _PATH) for pool in page.items]

    def set(self, name: str, slots: int) -> None:
        self.connection.call("PUT", f"{_PATH}/{segment(name)}", body={"slots": slots})

    def delete(self, name: str) -> None:
        self.connection.call("DELETE", f"{_PATH}/{segment(name)}")
