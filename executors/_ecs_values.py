"""How the options of an ECS task are read: switches that say yes, definitions, words, identifiers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dkronpy.plugins.values import Rejected, read, read_bool, read_json, read_text, shown

_YES = {"yes": True, "y": True, "on": True, "no": False, "n": False, "off": False}
# What DescribeTaskDefinition adds and RegisterTaskDefinition refuses.
_ANSWERED = (
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities",
    "registeredAt", "registeredBy", "deregisteredAt",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_./:-]+")


def read_switch(value: Any) -> bool:
    """A truth value; also ``yes`` and ``no``, as Dkron has it here."""
    if isinstance(value, str) and value.lower() in _YES:
        return _YES[value.lower()]
    return read_bool(value)


def read_body(value: Any) -> dict[str, Any]:
    """A task definition: a table, or JSON text of one; also as DescribeTaskDefinition answers."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Rejected(f"{shown(value)} is not JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise Rejected(f"{shown(value)} is not a task definition; it is a table with family and containerDefinitions")
    inner = value.get("taskDefinition")
    table: dict[str, Any] = read_json(inner if isinstance(inner, Mapping) else value)
    return {name: item for name, item in table.items() if name not in _ANSWERED}


def read_words(value: Any) -> tuple[str, ...]:
    """The words of a command, with commas between them or as a list."""
    return tuple(read(value, tuple[str, ...]))


def read_name(value: Any) -> str:
    """The name or ARN of something in AWS."""
    text = read_text(value).strip()
    if text and not _NAME.fullmatch(text):
        raise Rejected(f"{shown(text)} is not a name or ARN")
    return text


def read_propagate(value: Any) -> str:
    """``TASK_DEFINITION``, also said as yes; or nothing, also said as NONE or no."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if text in ("TASK_DEFINITION", "NONE"):
        return text.replace("NONE", "")
    return "TASK_DEFINITION" if value != "" and read_switch(value) else ""


def read_url(value: Any) -> str:
    """The address of an endpoint."""
    text = read_text(value).strip()
    if text and not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", text):
        raise Rejected(f"{shown(text)} is not an endpoint; the form is http://host:port or https://host:port")
    return text
