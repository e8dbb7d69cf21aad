"""`dkronpy pause`, `resume` and `pauses`, as people type them."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.conftest import CommandLine


def test_pausing_listing_and_resuming(dkronpy: CommandLine) -> None:
    name = dkronpy.shell("backup", "true")
    done = dkronpy("pause", name, "--reason", "disk is full", "--until", "2h")
    assert done.exit_code == 0, done.stderr
    assert "job backup is paused by" in done.stdout
    assert done.stdout.endswith(": disk is full\n")
    dkronpy("pause", "--tag", "role=web", "--from", "+1h", "--until", "+3h")
    rows = json.loads(dkronpy("pauses", "-o", "json").stdout)
    assert [(row["job"], row["tag"], row["state"]) for row in rows] == [
        ("backup", "", "in force"), ("", "role=web", "ahead")
    ]  # fmt: skip
    assert dkronpy("resume", name).stdout.endswith("job backup runs again\n")
    assert dkronpy("resume", "--id", rows[1]["id"]).exit_code == 0
    assert dkronpy("pauses").stderr == "nothing is paused\n"
    assert len(json.loads(dkronpy("pauses", "--ended", "-o", "json").stdout)) == 2


def test_what_is_paused_says_so_wherever_it_is_shown(dkronpy: CommandLine) -> None:
    paused, other = dkronpy.shell("backup", "true"), dkronpy.shell("report", "true")
    dkronpy("pause", paused, "--reason", "disk is full")

    rows = {row["name"]: row["paused"] for row in json.loads(dkronpy("job", "list", "-o", "json").stdout)}
    assert rows == {paused: "until it is resumed: disk is full", other: None}
    assert "until it is resumed: disk is full" in dkronpy("job", "list").stdout
    shown = {line.partition("  ")[0]: line for line in dkronpy("job", "show", paused).stdout.splitlines()}
    assert shown["paused"].endswith("until it is resumed: disk is full")
    (said,) = json.loads(dkronpy("status", "-o", "json").stdout)["paused"]
    assert said.startswith("job backup is paused by ")
    dkronpy("resume", paused)
    assert json.loads(dkronpy("status", "-o", "json").stdout)["paused"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pause",), 2, "name a job, or give --tag TAG=VALUE, or --all"),
        (("pause", "a", "--all"), 2, "one of them"),
        (("pause", "nobody"), 5, "there is no job named 'nobody'"),
        (("pause", "--all", "--until", "soon"), 2, "--until: 'soon' is not a moment"),
        (("pause", "--all", "--until", "2020-01-01 00:00"), 3, "over before it begins"),
        (("resume", "--all"), 5, "there is no pause of everything"),
        (("resume", "a", "--id", "b"), 2, "--id names a pause by itself"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    dkronpy: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = dkronpy(*arguments)
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
