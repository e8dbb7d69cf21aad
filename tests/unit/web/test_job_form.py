"""The fields of a new job become a definition."""

from __future__ import annotations

import json

from dkronpy.job.json import decode_job
from dkronpy.web.job_form import FIELDS, OVERLAPS, definition, filled
from tests.unit.web.conftest import Browser, visible


def test_what_is_typed_is_a_definition() -> None:
    given = {
        "name": "backup",
        "owner": "ops",
        "command": "backup --all",
        "schedule": "30 2 * * *",
        "timezone": "Europe/Rome",
        "tag": "role = db",
        "timeout": "15m",
        "retries": "2",
        "concurrency": "queue_one",
        "doc": "Saves everything.",
    }
    job, _ = decode_job(definition(given))
    assert (job.name, job.owner, job.schedule, job.timezone, job.doc) == (
        "backup",
        "ops",
        "30 2 * * *",
        "Europe/Rome",
        "Saves everything.",
    )
    assert (job.on.tags, job.on.count, job.retry.max, job.concurrency) == ({"role": "db"}, 1, 2, "queue_one")
    assert (job.executor, job.run.config) == ("shell", {"command": "backup --all", "shell": "true"})
    assert job.timeout is not None
    assert job.timeout.total_seconds() == 900


def test_what_is_left_empty_is_left_out() -> None:
    given = dict.fromkeys((one.name for one in FIELDS), "")
    assert json.loads(definition(given)) == {"executor": "shell", "executor_config": {"command": "", "shell": "true"}}
    assert "many" in definition({"retries": "many"})


def test_every_way_to_overlap_can_be_chosen() -> None:
    for value, _ in OVERLAPS:
        job, _ = decode_job(definition({"name": "x", "command": "true", "schedule": "@daily", "concurrency": value}))
        assert not [problem for problem in job.check() if problem.field == "concurrency"]


def test_a_field_keeps_what_was_typed() -> None:
    assert {one.name: one.value for one in filled({"name": "x"})}["name"] == "x"
    assert {one.name: one.value for one in filled({"schedule": ""})}["schedule"] == ""


def test_the_form_goes_on_as_json(browser: Browser) -> None:
    html = browser.send("/new", status=200, what="json", **{"f.name": "made", "f.schedule": "15 4 * * *"}).text
    assert "JSON, as Dkron writes jobs" in html
    assert "&#34;name&#34;: &#34;made&#34;" in html
    assert "nothing" not in visible(html)
