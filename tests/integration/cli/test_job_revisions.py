"""What a job was: history, diff and rollback, through the command line on a real store."""

from __future__ import annotations

import json

from tests.integration.cli.conftest import CommandLine


def changed(dkronpy: CommandLine) -> None:
    """A job with three revisions."""
    dkronpy.shell("backup", "true")
    dkronpy.shell("backup", "false", owner="ann")
    assert dkronpy("job", "toggle", "backup", "--why", "the disk is full").exit_code == 0


def test_the_history_says_who_when_what_and_why(dkronpy: CommandLine) -> None:
    changed(dkronpy)
    newest, middle, first = json.loads(dkronpy("job", "history", "backup", "-o", "json").stdout)
    assert (newest["revision"], newest["what"], newest["changed"]) == (3, "changed", ["enabled"])
    assert newest["why"] == "the disk is full"
    assert newest["who"].endswith("(command line)")
    assert (middle["who"], middle["changed"]) == ("test", ["run.config.command", "owner"])
    assert (first["what"], first["changed"]) == ("created", [])
    assert first["at"] <= newest["at"]
    assert "the disk is full" in dkronpy("job", "history", "backup").stdout


def test_a_diff_names_each_field(dkronpy: CommandLine) -> None:
    changed(dkronpy)
    assert dkronpy("job", "diff", "backup").stdout == "enabled  -  ->  false\n"
    told = json.loads(dkronpy("job", "diff", "backup", "1", "2", "-o", "json").stdout)
    assert told[0] == {"field": "run.config.command", "old": "true", "new": "false"}
    assert len(json.loads(dkronpy("job", "diff", "backup", "1", "-o", "json").stdout)) == 3
    missing = dkronpy("job", "diff", "backup", "9")
    assert missing.exit_code == 5
    assert "job 'backup' has no revision 9\nhint: known: 3, 2, 1" in missing.stderr


def test_a_rollback_is_a_revision_more(dkronpy: CommandLine) -> None:
    changed(dkronpy)
    assert dkronpy("job", "rollback", "backup").stdout == "backup changed, revision 4\n"
    assert dkronpy.client.job("backup").job.enabled
    assert dkronpy("job", "rollback", "backup", "1", "--why", "ann has left").stdout == "backup changed, revision 5\n"
    assert dkronpy.client.job("backup").job.executor_config["command"] == "true"
    assert [one.why for one in dkronpy.client.job_history("backup")][:2] == ["ann has left", "back to revision 2"]
    assert dkronpy("job", "rollback", "backup", "77").exit_code == 5


def test_a_deleted_job_comes_back_as_it_was(dkronpy: CommandLine) -> None:
    changed(dkronpy)
    dkronpy("job", "delete", "backup", "--yes", "--why", "a mistake")
    history = json.loads(dkronpy("job", "history", "backup", "-o", "json").stdout)
    assert (history[0]["what"], history[0]["why"]) == ("deleted", "a mistake")

    assert dkronpy("job", "rollback", "backup").stdout == "backup created, revision 4\n"
    back = dkronpy.client.job("backup").job
    assert (back.owner, back.enabled) == ("ann", False)
    assert [row["what"] for row in json.loads(dkronpy("job", "history", "backup", "-o", "json").stdout)][:3] == [
        "created", "deleted", "changed",
    ]  # fmt: skip


def test_one_of_which_nothing_is_known_is_not_found(dkronpy: CommandLine) -> None:
    dkronpy.shell("fresh", "true")
    for arguments in (("history", "x"), ("diff", "x"), ("rollback", "x"), ("rollback", "fresh"), ("diff", "fresh")):
        result = dkronpy("job", *arguments)
        assert (result.exit_code, result.stdout) == (5, ""), arguments
        assert len(result.stderr.splitlines()) <= 2
