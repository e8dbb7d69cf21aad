"""The fields of a new job: what most jobs need, put together as the definition that the editor would show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

PREFIX = "f."
OVERLAPS = (
    ("allow", "start another one beside it"),
    ("forbid", "skip the new one"),
    ("queue_one", "let one wait"),
    ("queue_all", "let all wait, in turn"),
    ("terminate", "end the old one"),
)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the form; ``path`` is what problems of it are called, ``wide`` that it takes a line for itself."""

    name: str
    label: str
    hint: str = ""
    example: str = ""
    value: str = ""
    path: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    needed: bool = False
    wide: bool = False


FIELDS = (
    Field(name="name", label="Name", example="nightly-backup", needed=True),
    Field(name="owner", label="Owner", example="ops"),
    Field(
        name="command", label="Command", example="/usr/local/bin/backup.sh --all", hint="What a shell runs.",
        path=("executor_config", "command"), needed=True, wide=True,
    ),
    Field(
        name="schedule", label="Schedule", example="30 2 * * MON-FRI", value="H 2 * * *",
        hint="Five or six cron fields, @every 10m, @daily or @manually. H is a value out of the name, so that jobs do "
        "not all start at once.",
    ),
    Field(name="timezone", label="Time zone", example="Europe/Berlin"),
    Field(
        name="tag", label="Runs on one node with", example="role=web", hint="Empty: on any one node.",
        path=("tags", "on"),
    ),
    Field(name="timeout", label="Ends after", example="15m", hint="Empty: never."),
    Field(name="retries", label="Tries again", example="0", path=("retry", "retries")),
    Field(name="concurrency", label="When it still runs at its due time", value="forbid", choices=OVERLAPS),
    Field(name="doc", label="What it is for", hint="For whoever reads it at night.", wide=True),
)  # fmt: skip


def filled(given: Mapping[str, str]) -> list[Field]:
    """The fields with what was typed into them."""
    return [msgspec.structs.replace(one, value=given.get(one.name, one.value)) for one in FIELDS]


def definition(given: Mapping[str, str]) -> str:
    """The definition as JSON; what was left empty is left out."""
    wanted: dict[str, Any] = {
        name: given[name]
        for name in ("name", "owner", "schedule", "timezone", "timeout", "concurrency", "doc")
        if given.get(name)
    }
    retries = given.get("retries", "")
    if retries:
        wanted["retries"] = int(retries) if retries.isdecimal() and len(retries) < 6 else retries
    if given.get("tag"):
        name, _, value = given["tag"].partition("=")
        wanted["tags"] = {name.strip(): value.strip()}
        wanted["on"] = {"count": 1}
    wanted["executor"] = "shell"
    wanted["executor_config"] = {"command": given.get("command", ""), "shell": "true"}
    return json.dumps(wanted, indent=2, ensure_ascii=False)
