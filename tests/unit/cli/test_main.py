"""What the command line says when it is used wrongly, and with which exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from dkronpy.cli.main import COMMANDS
from dkronpy.cli.names import names_file
from dkronpy.cli.session import Session
from tests.unit.cli.conftest import Invoke


def test_the_help_names_every_command_with_its_line(invoke: Invoke) -> None:
    shown = invoke("--help").stdout
    for name, (section, _, line) in COMMANDS.items():
        assert f"{section}:\n" in shown
        assert any(row.split(None, 1) == [name, line] for row in shown.splitlines()), name


def test_a_misspelt_command_is_named_with_its_neighbour(invoke: Invoke) -> None:
    result = invoke("stauts")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no command 'stauts'; did you mean 'status'?" in result.stderr


def test_a_noun_alone_shows_its_verbs(invoke: Invoke) -> None:
    result = invoke("job")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: dkronpy job")
    assert "error" not in result.stderr.partition("Options")[0]


def test_a_misspelt_verb_is_a_usage_error(invoke: Invoke) -> None:
    result = invoke("job", "lst")
    assert result.exit_code == 2
    assert "dkronpy job --help" in result.stderr


def test_without_a_store_it_says_what_to_type(invoke: Invoke) -> None:
    result = invoke("job", "list")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "no store is set" in result.stderr
    assert "dkronpy up" in result.stderr
    assert "DKRONPY_STORE_URL" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "origin"),
    [
        (("job", "list"), {"DKRONPY_STORE_URL": "redis://127.0.0.1:1/0"}, "DKRONPY_STORE_URL"),
        (("job", "list"), {"DKRONPY_BROKER_URL": "redis://127.0.0.1:1/0"}, "DKRONPY_BROKER_URL"),
        (("--url", "redis://127.0.0.1:1/0", "job", "list"), {}, "--url"),
        (("job", "list", "--url", "redis://127.0.0.1:1/0"), {"DKRONPY_STORE_URL": "redis://127.0.0.1:2/0"}, "--url"),
    ],
)
def test_an_unreachable_store_is_named_with_where_its_address_came_from(
    invoke: Invoke, arguments: tuple[str, ...], env: dict[str, str], origin: str
) -> None:
    result = invoke(*arguments, **env)
    assert result.exit_code == 4
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: cannot reach Redis at redis://127.0.0.1:1/0: ")
    assert lines[1] == f"  the address came from {origin}"
    assert lines[2].startswith("hint: ")
    assert len(lines) == 3


def test_a_password_is_never_shown(invoke: Invoke) -> None:
    result = invoke("job", "list", DKRONPY_STORE_URL="redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in result.output
    assert ":***@127.0.0.1:1" in result.stderr


def test_an_embedded_store_that_was_started_is_found_by_its_file(invoke: Invoke) -> None:
    data = Path(".dkronpy")
    data.mkdir()
    (data / "store.url").write_text("unix:///nowhere/store.sock?db=0\n")
    result = invoke("job", "list")
    assert result.exit_code == 4
    assert "unix:///nowhere/store.sock" in result.stderr
    assert "the address came from .dkronpy/store.url" in result.stderr


def test_every_wrong_setting_is_named_with_where_it_came_from(invoke: Invoke) -> None:
    result = invoke("status", DKRONPY_CAPACITY="0", DKRONPY_LEASE="soon")
    assert result.exit_code == 3
    assert "error: 2 problems" in result.stderr
    assert "(from DKRONPY_CAPACITY)" in result.stderr
    assert "(from DKRONPY_LEASE)" in result.stderr


def test_a_wrong_flag_is_named_as_it_was_typed(invoke: Invoke) -> None:
    result = invoke("flower", "--port", "x")
    assert result.exit_code == 3
    assert "(from --port)" in result.stderr


def test_a_configuration_that_is_not_there_is_named(invoke: Invoke) -> None:
    result = invoke("--config", "elsewhere/", "job", "list")
    assert result.exit_code == 3
    assert "elsewhere/" in result.stderr


def test_a_settings_file_that_raises_is_one_line_and_no_traceback(invoke: Invoke) -> None:
    Path("config").mkdir()
    Path("config/settings.py").write_text("STORE_URL = 1 / 0\n")
    result = invoke("status")
    assert result.exit_code == 3
    assert "config/settings.py:1" in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_where_it_happened(invoke: Invoke) -> None:
    result = invoke("--debug", "next", "61 * * * *")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr


def test_without_a_terminal_nothing_asks(invoke: Invoke) -> None:
    from dkronpy.cli.job import confirm

    confirm("delete it?", yes=True)
    with pytest.raises(Exception, match="pass --yes"):
        confirm("delete it?", yes=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_command(invoke: Invoke, shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert "_DKRONPY_COMPLETE" in result.stdout


def test_completion_offers_commands_verbs_and_options(invoke: Invoke) -> None:
    def offered(words: str) -> list[str]:
        env = {"_DKRONPY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return [line.partition(",")[2] for line in invoke(**env).stdout.splitlines()]

    assert offered("dkronpy ru") == ["run", "runs"]
    assert {"delete", "history", "list", "rollback", "show", "toggle"} <= set(offered("dkronpy job "))
    assert "--state" in offered("dkronpy runs list --s")
    assert offered("dkronpy runs list --state s") == ["success", "skipped"]


def test_names_of_jobs_and_nodes_come_from_a_file_and_a_stranger_s_file_is_ignored(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = names_file(Session())
    names.parent.mkdir(parents=True)

    def offered(words: str) -> list[str]:
        env = {"_DKRONPY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return [line.partition(",")[2] for line in invoke(**env).stdout.split()]

    names.write_text('{"jobs": ["backup", "report"], "nodes": ["web1"]}')
    assert offered("dkronpy job show ") == ["backup", "report"]
    assert offered("dkronpy runs list --job b") == ["backup"]
    assert offered("dkronpy node forget w") == ["web1"]
    for text in ("", "not JSON", "[1]"):
        names.write_text(text)
        assert offered("dkronpy run ") == []


def test_version_says_what_it_stands_on(invoke: Invoke) -> None:
    from dkronpy.version import VERSION

    assert invoke("version").stdout == f"dkronpy {VERSION}\n"
    assert '"celery"' in invoke("version", "-o", "json").stdout
