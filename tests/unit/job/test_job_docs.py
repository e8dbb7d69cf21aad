"""Every field of a job is typed, written in JSON and explained; what the manual shows works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dkronpy.config import full_check, load_jobs
from dkronpy.job import Job
from dkronpy.job.fields import AllFields
from dkronpy.job.json import decode_job

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "jobs.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", MANUAL, re.DOTALL | re.MULTILINE)


def test_type_checkers_know_the_same_fields_as_the_job() -> None:
    assert AllFields.__required_keys__ | AllFields.__optional_keys__ == set(Job.__struct_fields__)


def test_every_field_is_in_the_manual() -> None:
    rows = [line.split("|")[1] for line in MANUAL.splitlines() if line.startswith("| `")]
    explained = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert explained == set(Job.__struct_fields__)


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_of_the_manual_loads(code: str, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "cleanup.py").write_text("def purge(days: int) -> None: ...\n")
    (folder / "jobs.py").write_text(code, "utf-8")
    config = load_jobs(folder)
    assert config.problems == ()
    assert config.jobs


def test_the_json_of_the_manual_is_a_sound_job() -> None:
    (text,) = blocks("json")
    job, _ = decode_job(text)
    assert full_check(job) == []
    assert {key.lower() for key in json.loads(text)} <= {word.lower() for word in re.findall(r"`(\w+)`", MANUAL)}
