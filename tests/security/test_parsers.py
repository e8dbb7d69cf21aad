"""Every parser of what comes from outside reads anything: by chance here, and led by its own lines in a short round."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkronpy.cli.times import read_moment
from dkronpy.errors import DkronpyError
from dkronpy.importers.kubernetes import read_kubernetes
from dkronpy.job import Job, Run
from dkronpy.node import Node, any_node
from dkronpy.node_expression import ExpressionError, read_expression, satisfies
from dkronpy.schedule.ics import read_ics
from tests.security.parsers import PARSERS, try_one
from tests.support import ROOT

EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:{}\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR"

SHORT = ("schedule", "job", "crontab", "expression", "ansi")


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60)
@given(data=st.data())
def test_what_is_near_to_its_samples_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(PARSERS[name].samples))
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    try_one(name, sample[:start] + data.draw(st.binary(max_size=20)) + sample[end:] + data.draw(st.binary(max_size=9)))


@pytest.mark.parametrize("name", PARSERS)
def test_its_samples_are_understood_so_that_a_fuzzer_begins_inside(name: str) -> None:
    understood = 0
    for sample in PARSERS[name].samples:
        with suppress(DkronpyError):
            PARSERS[name].read(sample)
            understood += 1
    assert understood


@pytest.mark.timeout(300)
def test_a_short_round_of_the_fuzzer_finds_nothing() -> None:
    """So many inputs, not seconds: what CI tries is what was tried before; ``scripts/fuzz`` looks for more."""
    if find_spec("atheris") is None:
        assert sys.version_info < (3, 11) or platform.machine() != "x86_64", "install it: scripts/venv dev"
        return
    done = subprocess.run(
        [sys.executable, "scripts/fuzz.py", "--inputs", "2000", "--seconds", "200", "--seed", "8", *SHORT],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert all(f"{name}: " in done.stdout for name in SHORT)


def test_what_the_fuzzer_found_is_refused_in_one_line() -> None:
    with pytest.raises(ExpressionError, match="- stands before a number only"):
        read_expression("role == -'web'")
    assert read_expression("load > -0.5") is not None
    with pytest.raises(ExpressionError, match="several values are neither more nor less than others at column 1"):
        read_expression("() <4 <4")
    assert not satisfies(Node(name="n1", instance="a", executors=("shell",)), "executors < 4")
    on = any_node(where="load < -'x'")
    job = Job(name="a", schedule="@daily", run=Run("shell", {"command": "x"}), on=on)
    assert [problem.field for problem in job.check()] == ["on"]
    with pytest.raises(click.UsageError, match="farther away than the calendar goes"):
        read_moment("-0960000969599", None, option="--from")
    with pytest.raises(DkronpyError, match="20222450 is no day"):
        read_ics(EVENT.format("20222450"), "de")
    strange = read_kubernetes("kind: CronJob\nmetadata: {name: k}\nspec: text\n")
    assert ["not as Kubernetes writes" in loss.what for loss in strange.losses] == [True]
    with pytest.raises(DkronpyError, match="too far ahead"):
        read_ics(EVENT.format("99991231"), "de")
    assert read_ics(EVENT.format("20261225"), "de").off == ("12-25",)
