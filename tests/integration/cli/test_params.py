"""Parameters of a run: from the command line to the command, by templates and by the environment."""

from __future__ import annotations

import pytest

from dkronpy.job import Job, Run
from dkronpy.job.param import Param
from tests.integration.cli.conftest import CommandLine

PARAMS = {"days": Param(type="integer", default=7, maximum=90), "full": False}


def export(line: CommandLine) -> str:
    """Save a job that prints its parameters; its name."""
    command = ["sh", "-c", 'echo "$0 $DKRONPY_PARAM_DAYS $DKRONPY_PARAM_FULL"', "{{ params.days }}"]
    run = Run("shell", {"command": command})
    line.client.save_job(Job(name="export", schedule="@daily", run=run, params=PARAMS), source="test")
    return "export"


def test_a_run_has_its_values_and_the_defaults_of_the_others(fleet: CommandLine) -> None:
    name = export(fleet)
    done = fleet("run", name, "--wait", "--param", "days=30", "-p", "full=yes")
    assert (done.exit_code, done.stdout) == (0, "30 30 true\n"), done.stderr
    assert fleet("run", name, "--wait").stdout == "7 7 false\n"
    assert fleet.client.run_job(name, params={"days": 1}).run.message == "with days=1"


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("days=many", 3, "params.days: 'many' is not a whole number"),
        ("days=91", 3, "91 is more than 90"),
        ("dys=3", 3, "there is no parameter 'dys'; known: days, full (did you mean 'days'?)"),
        ("days", 2, "--param: 'days' is not NAME=VALUE"),
    ],
)
def test_what_does_not_fit_starts_nothing(fleet: CommandLine, given: str, code: int, said: str) -> None:
    name = export(fleet)
    before = len(fleet.client.runs(job=name))
    done = fleet("run", name, "--param", given)
    assert done.exit_code == code
    assert said in done.stderr
    assert len(fleet.client.runs(job=name)) == before
