"""What a node refuses to run, whatever the definition says: unsigned definitions, executors, users, nodes."""

from __future__ import annotations

import socket
from typing import Any

from msgspec.structs import replace

from dkronpy.agent.rendering import Prepared
from dkronpy.errors import ConfigError, DkronpyError
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.node import Node
from dkronpy.plugins.reach import Reach
from dkronpy.plugins.registry import executor_names
from dkronpy.settings import Settings
from dkronpy.settings.values import words
from dkronpy.signing import SignatureError, Verifier
from dkronpy.store.ledger import Claim


class RefusedError(DkronpyError):
    """This node does not run that."""


class Policy:
    """The rules of one node, from its own settings: nothing that comes from the store can change them."""

    def __init__(self, settings: Settings, verifier: Verifier | None) -> None:
        self.executors = words(settings.executors)
        self.reach = Reach(words(settings.http_allow))
        self._users = words(settings.run_as)
        self._node = Node(name=settings.node, tags=dict(settings.node_tags), address=socket.gethostname())
        self._verifier = verifier
        if unknown := set(self.executors) - set(executor_names()):
            raise ConfigError(
                f"executors: {', '.join(sorted(unknown))} is not installed here",
                hint=f"there are: {', '.join(executor_names())}",
            )

    def offered(self) -> tuple[str, ...]:
        """The executors that this node offers."""
        return self.executors or executor_names()

    def admit(self, claim: Claim) -> None:
        """Look at the definition before anything of it is used.

        Raises SignatureError where it is not signed as it should be, or not meant for this node; RefusedError where
        its executor is not offered here.
        """
        if claim.definition is None:
            return
        name = claim.execution.job
        if self._verifier is not None:
            self._verifier.check(claim.definition, name, claim.revision)
        job = decode_definition(claim.definition)
        if self._verifier is not None:
            self._check_place(job, name)
        if job.executor not in self.offered():
            raise RefusedError(f"node {self._node.name} offers no {job.executor}: it has {', '.join(self.offered())}")

    def _check_place(self, job: Job, name: str) -> None:
        """A signed definition runs under its own name, and where its targets say; the store may say otherwise.

        What an expression asks for (the load, for one) is known to beat alone.
        """
        if job.name != name:
            raise SignatureError(f"the definition of {name!r} is that of {job.name!r}")
        if not replace(job.on, where="").matching([self._node]):
            raise SignatureError(f"node {self._node.name} is none of the targets that were signed for {name!r}")

    def admit_user(self, prepared: Prepared) -> None:
        """Raises RefusedError where the job is to run as a user that this node does not let jobs run as."""
        wanted: Any = getattr(prepared.options, "user", "") if prepared.job.executor in _CHANGE_USERS else ""
        user = str(wanted).partition(":")[0]
        if self._users and user and user not in self._users:
            raise RefusedError(
                f"jobs may not run as {user!r} on node {self._node.name}: run_as names {', '.join(self._users)}"
            )


_CHANGE_USERS = frozenset({"shell", "python"})
