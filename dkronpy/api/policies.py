"""Policies in Dkron Pro's form: a JSON document that grants capabilities on globs of paths."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dkronpy.api.access import CAPABILITIES, Rules
from dkronpy.api.keys import keys_of
from dkronpy.errors import InvalidError, NotFoundError, Problem
from dkronpy.store.connection import Store

_NAME = re.compile(r"[\w.-]{1,100}")
_EXAMPLE = '{"path": {"/v1/jobs/*": {"capabilities": ["read"]}}}'


class Policies:
    """The policies of a deployment, by name. redis-py's errors pass through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keys = keys_of(store)

    def names(self) -> list[str]:
        """The names of all policies, sorted."""
        return sorted(name.decode() for name in self.store.client.hkeys(self.keys.policies))

    def get(self, name: str) -> str:
        """The text of a policy. Raises NotFoundError."""
        text = self.store.client.hget(self.keys.policies, name)
        if text is None:
            raise NotFoundError(f"there is no policy {name!r}")
        return str(text.decode())

    def save(self, name: str, text: str) -> None:
        """Keep a policy, replacing one of that name. Raises InvalidError."""
        if not _NAME.fullmatch(name):
            hint = "1 to 100 letters, digits, '_', '-' and '.'"
            raise InvalidError("policy", [Problem("name", name, f"{name!r} is no name for a policy", hint)])
        parse_rules(text)
        self.store.client.hset(self.keys.policies, name, text)

    def delete(self, name: str) -> None:
        """Drop a policy; tokens that name it lose what it granted. Raises NotFoundError."""
        if not self.store.client.hdel(self.keys.policies, name):
            raise NotFoundError(f"there is no policy {name!r}")

    def rules(self, names: Sequence[str]) -> tuple[Rules, ...]:
        """The rules of the named policies; one that is gone grants nothing."""
        if not names:
            return ()
        texts = self.store.client.hmget(self.keys.policies, list(names))
        return tuple(parse_rules(text.decode()) for text in texts if text is not None)


def parse_rules(text: str) -> Rules:
    """The rules of a policy's text. Raises InvalidError that names what is wrong and what is accepted."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError("policy", [Problem("rules", text, f"this is not JSON: {error}", _EXAMPLE)]) from None
    paths = document.get("path") if isinstance(document, Mapping) else None
    if not isinstance(paths, Mapping):
        raise InvalidError("policy", [Problem("path", document, "'path' has to stand at the top", _EXAMPLE)])
    rules: dict[str, frozenset[str]] = {}
    problems = []
    for path, grant in paths.items():
        given = grant.get("capabilities") if isinstance(grant, Mapping) else None
        if not path.startswith("/"):
            problems.append(Problem("path", path, f"{path!r} is no path", "it begins with /"))
        elif not isinstance(given, list) or any(one not in CAPABILITIES for one in given):
            hint = f"a list of {', '.join(CAPABILITIES)}"
            problems.append(Problem(path, grant, "its capabilities cannot be read", hint))
        else:
            rules[path] = frozenset(given)
    if problems:
        raise InvalidError("policy", problems)
    return rules
