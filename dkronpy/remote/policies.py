"""Policies by way of a server: the methods of ``dkronpy.api.policies.Policies``, each by one route."""

from __future__ import annotations

from dkronpy.remote.connection import Connection, segment

_PATH = "/v1/acl/policies"


class RemotePolicies:
    """The policies of the deployment behind a server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def names(self) -> list[str]:
        """The names of all policies, sorted."""
        return [row["Name"] for row in self.connection.get(list[dict[str, str]], _PATH)]

    def get(self, name: str) -> str:
        """The text of a policy. Raises NotFoundError."""
        return self.connection.get(dict[str, str], f"{_PATH}/{segment(name)}")["Rules"]

    def save(self, name: str, text: str) -> None:
        """Keep a policy, replacing one of that name. Raises ConfigError."""
        self.connection.call("POST", f"{_PATH}/{segment(name)}", body={"Name": name, "Rules": text})

    def delete(self, name: str) -> None:
        """Drop a policy. Raises NotFoundError."""
        self.connection.call("DELETE", f"{_PATH}/{segment(name)}")
