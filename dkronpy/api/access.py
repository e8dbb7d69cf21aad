"""Who may do what: one function that decides, from roles or from policies, and says no unless something says yes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from dkronpy.errors import DeniedError

Role = Literal["viewer", "operator", "editor", "admin"]
Action = Literal["read", "operate", "edit", "administer", "govern"]
Capability = Literal["create", "read", "update", "delete", "list"]

ROLES: tuple[str, ...] = get_args(Role)
CAPABILITIES: tuple[str, ...] = get_args(Capability)
GRANTS: Mapping[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "operate"}),
    "editor": frozenset({"read", "operate", "edit"}),
    "admin": frozenset({"read", "operate", "edit", "administer", "govern"}),
}
"""The actions of each role. ``operate``: run, toggle, cancel. ``edit``: definitions and history. ``administer``:
the deployment. ``govern``: policies and the audit log.
"""
_CAPABILITY_OF: Mapping[str, str] = {
    "GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete",
}  # fmt: skip

Rules = Mapping[str, frozenset[str]]
"""A policy: for each glob of paths the capabilities that it grants."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants: the action of the route, its method and path, and the job that the path names.

    ``listing`` is a route that reads a collection; ``whole`` one that speaks of every job at once.
    """

    action: str
    method: str
    path: str
    job: str | None = None
    listing: bool = False
    whole: bool = False


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. ``jobs`` are patterns of job names, none meaning all; ``rules`` are those of its policies."""

    id: str
    name: str
    role: str = ""
    jobs: tuple[str, ...] = ()
    rules: tuple[Rules, ...] = ()

    def sees(self, job: str) -> bool:
        """Whether a job of this name is any of its business."""
        return not self.jobs or any(fnmatchcase(job, pattern) for pattern in self.jobs)

    def require(self, job: str) -> None:
        """Raises DeniedError for a job that is none of its business."""
        if not self.sees(job):
            raise DeniedError(f"{self.name} may not touch job {job!r}; its jobs are {', '.join(self.jobs)}")


ANYONE = Identity(id="", name="anonymous", role="admin")
"""The own user of a server that has no token yet."""


def decide(identity: Identity, asked: Asked) -> bool:
    """Whether *identity* may do what is *asked*. Whatever nothing grants is denied."""
    if asked.job is not None and not identity.sees(asked.job):
        return False
    if identity.jobs and (asked.whole or asked.action in {"administer", "govern"}):
        return False
    if identity.role:
        return asked.action in GRANTS.get(identity.role, frozenset())
    if asked.action not in GRANTS["admin"] - {"govern"}:
        return False
    wanted = {_CAPABILITY_OF.get(asked.method, "")} | ({"list"} if asked.listing else set())
    path = asked.path.rstrip("/") or "/"
    return any(
        _glob(pattern).fullmatch(path) is not None and granted & wanted
        for rules in identity.rules
        for pattern, granted in rules.items()
    )


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """A glob of paths: ``*`` stands for anything but a slash, ``**`` for anything."""
    parts = re.split(r"(\*+)", pattern.rstrip("/") or "/")
    text = "".join(re.escape(part) if "*" not in part else "[^/]*" if part == "*" else ".*" for part in parts)
    return re.compile(text, re.DOTALL)
