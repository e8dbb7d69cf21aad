"""`dkronpy validate`, `config show`, `executor`, and what of `apply` needs no store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dkronpy.cli.configuration import source_name
from tests.unit.cli.conftest import Invoke

GOOD = """
from dkronpy import Job, Shell, cron

Job(name="backup", schedule=cron("30 2 * * *"), run=Shell("true"))
Job(name="report", after="backup", run=Shell("true"))
"""
BAD = """
from dkronpy import Job, Shell, cron

Job(name="backup", schedule=cron("61 2 * * *"), run=Shell("true"))
Job(name="report", after="bakcup", run=Shell("true"))
"""


@pytest.fixture
def folder(invoke: Invoke) -> Path:
    """The folder ``config`` of the folder that commands run in."""
    path = Path("config")
    path.mkdir()
    return path


def test_a_good_configuration_is_counted(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(GOOD)
    result = invoke("validate")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("2 jobs in 1 file (")


def test_every_problem_is_printed_with_its_place_a_caret_and_a_hint(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(BAD)
    result = invoke("validate")
    assert result.exit_code == 3
    assert "config/jobs.py:4:" in result.stdout
    assert "config/jobs.py:5:" in result.stdout
    assert "^^" in result.stdout
    assert "did you mean 'backup'?" in result.stdout
    assert result.stderr.startswith("2 problems in config (")


def test_problems_are_data_for_programs(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(BAD)
    told = json.loads(invoke("validate", "-o", "json").stdout)
    assert told["jobs"] == ["backup", "report"]
    assert [(problem["line"], problem["job"]) for problem in told["problems"]] == [(4, "backup"), (5, "report")]


def test_a_file_that_raises_is_a_problem_of_its_line(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(GOOD)
    (folder / "more.py").write_text("limit = 1 / 0\n")
    result = invoke("validate")
    assert result.exit_code == 3
    assert "config/more.py:1" in result.stdout
    assert "ZeroDivisionError" in result.stdout
    assert "Traceback" not in result.output


def test_a_path_may_be_given(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(GOOD)
    assert invoke("validate", "config/jobs.py").exit_code == 0
    assert invoke("--config", "config/jobs.py", "validate").exit_code == 0
    assert invoke("validate", DKRONPY_CONFIG="config/jobs.py").exit_code == 0
    assert invoke("validate", "elsewhere.py").exit_code == 3


def test_without_a_configuration_it_says_what_is_looked_for(invoke: Invoke) -> None:
    result = invoke("validate")
    assert result.exit_code == 5
    assert "--config" in result.stderr
    assert "config/" in result.stderr


def test_problems_come_before_the_store_is_looked_for(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(BAD)
    result = invoke("apply", DKRONPY_STORE_URL="redis://127.0.0.1:1/0")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "nothing was saved" in result.stderr


def test_the_owner_of_a_configuration_is_its_folder(invoke: Invoke, folder: Path) -> None:
    (folder / "jobs.py").write_text(GOOD)
    assert source_name("config") == "config"
    assert source_name("config/") == "config"
    assert source_name("config/jobs.py") == "config"
    assert source_name("company.jobs") == "company.jobs"


def test_every_setting_is_shown_with_its_source_and_without_secrets(invoke: Invoke, folder: Path) -> None:
    (folder / "settings.py").write_text('LEASE = "30s"\nLEASE_RENEW = "5s"\n')
    env = {
        "DKRONPY_STORE_URL": "redis://:hunter2@127.0.0.1:1/0",
        "DKRONPY_RESULTS_URL": "postgresql://db/x?user=me&password=hunter2",
        "DKRONPY_FLOWER_BASIC_AUTH": "ops:hunter2",
    }
    result = invoke("config", "show", "-o", "json", **env)
    assert "hunter2" not in result.output
    shown = {row["setting"]: row for row in json.loads(result.stdout)}
    assert (shown["store_url"]["value"], shown["store_url"]["source"]) == (
        "redis://:***@127.0.0.1:1/0", "DKRONPY_STORE_URL",
    )  # fmt: skip
    assert (shown["lease"]["value"], shown["lease"]["source"]) == ("30s", "config/settings.py")
    assert (shown["tick"]["value"], shown["tick"]["source"]) == ("1s", "default")
    assert shown["flower_basic_auth"]["value"] == "***"
    assert "password=***" in shown["results_url"]["value"]


def test_one_setting_may_be_asked_for(invoke: Invoke) -> None:
    assert invoke("config", "show", "capacity").stdout.splitlines()[1].split() == ["capacity", "8", "default"]
    result = invoke("config", "show", "capasity")
    assert result.exit_code == 2
    assert "did you mean 'capacity'?" in result.stderr


def test_executors_are_listed_with_what_they_do(invoke: Invoke) -> None:
    names = invoke("executor", "list", "-o", "name").stdout.split()
    assert {"http", "python", "shell"} <= set(names)


def test_an_executor_shows_its_options(invoke: Invoke) -> None:
    options = {row["option"]: row for row in json.loads(invoke("executor", "show", "shell", "-o", "json").stdout)}
    assert options["command"]["required"] is True
    assert options["timeout"]["type"] == "duration"
    assert "command" in invoke("executor", "show", "shell").stdout
    result = invoke("executor", "show", "shel")
    assert result.exit_code == 5
    assert "did you mean 'shell'?" in result.stderr


def test_a_tag_without_a_value_is_refused(invoke: Invoke) -> None:
    result = invoke("agent", "--tag", "web")
    assert result.exit_code == 2
    assert "'web' is not TAG=VALUE" in result.stderr
