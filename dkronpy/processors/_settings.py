"""Settings that many jobs share under a name, as Dkron's ``provider``, ``team`` and ``config``.

Dkron keeps them in a file beside its configuration. Here each is a secret whose text is a JSON object, so that
credentials stay on the nodes: ``email/corp`` holds what ``"provider": "corp"`` stands for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from dkronpy.plugins.processor import ProcessorError
from dkronpy.plugins.values import Rejected, as_secret, read_text
from dkronpy.secret import Secret


def named(folder: str) -> msgspec.Meta:
    """Reads a name as the secret ``<folder>/<name>``; a reference to a secret is taken as it is."""

    def reader(value: Any) -> Any:
        found = as_secret(value)
        if isinstance(found, Secret):
            return found
        name = read_text(found).strip()
        if not name:
            return ""
        if name.startswith("{"):
            raise Rejected("the settings themselves do not belong here; give the name under which the node has them")
        return Secret(f"{folder}/{name}")

    return msgspec.Meta(extra={"read": reader, "kind": "name or secret"})


def settings_of(text: object, accepted: Mapping[str, str]) -> dict[str, Any]:
    """The settings in the resolved secret *text*, by our names; *accepted* maps every key to the name we have for it.

    Raises ProcessorError, without a value in it, for text that is no JSON object and for a key that is not known.
    """
    if not text:
        return {}
    try:
        found = json.loads(str(text))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProcessorError("the settings under this name are not a JSON object")
    if unknown := sorted(set(found) - set(accepted)):
        raise ProcessorError(f"the settings have {unknown[0]!r}; known: {', '.join(accepted)}")
    return {accepted[key]: value for key, value in found.items()}
