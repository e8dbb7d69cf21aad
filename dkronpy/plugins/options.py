"""The typed options of a plugin, and how Dkron's string-to-string configuration becomes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every plugin's options: one field a key, each with its type and default."""

    plugin: ClassVar[str] = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Options:
        return msgspec.convert(dict(config), cls)
