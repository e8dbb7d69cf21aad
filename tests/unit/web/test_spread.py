"""Jobs that start in the same minute are spread over its hour."""

from __future__ import annotations

import pytest

from dkronpy.client import Client
from dkronpy.clock import from_ms, to_ms
from dkronpy.job import Job
from dkronpy.web.spread import spread
from tests.support import wait_until
from tests.unit.web.conftest import Browser, Door, save, shell, visible


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ("0 2 * * *", "H 2 * * *"),
        ("0 30 2 * * MON-FRI", "0 H 2 * * MON-FRI"),
        ("*/10 * * * *", "H/10 * * * *"),
        ("0 5/15 * * * *", "0 H/15 * * * *"),
        ("H 2 * * *", ""),
        ("* * * * *", ""),
        ("*/1 * * * *", ""),
        ("*/45 * * * *", ""),
        ("0,30 2 * * *", ""),
        ("@daily", ""),
        ("TZ=UTC 0 2 * * *", ""),
        ("0 2 * * * | 0 4 * * *", ""),
    ],
)
def test_only_a_minute_of_its_own_is_replaced(schedule: str, wanted: str) -> None:
    assert spread(schedule) == wanted


def test_the_jobs_of_a_minute_are_spread(browser: Browser, client: Client, door: Door) -> None:
    for name in ("one", "two", "three"):
        save(client, name, schedule="0 2 * * *")
    client.save_job(Job(name="theirs", schedule="0 2 * * *", run=shell("true")), source="config/jobs.py")
    minute = to_ms(client.due_times("one", from_ms(client.status().now_ms), 1)[0])
    wait_until(lambda: "table" in browser.get("/schedule"), description="the week is counted")
    place = f"/schedule/spread?minute={minute}"
    seen = visible(browser.get(place))
    assert "Spread 4 jobs" in seen
    assert "theirs 0 2 * * * H 2 * * * change it in config/jobs.py" in seen
    browser.send("/schedule/spread", job=["one", "two"], why="so many at once")
    schedules = {view.job.name: view.job.schedule for view in client.jobs()}
    assert schedules == {"one": "H 2 * * *", "two": "H 2 * * *", "three": "0 2 * * *", "theirs": "0 2 * * *"}
    assert client.job_history("one")[0].why == "so many at once"
    browser.send("/schedule/spread", status=403, job=["theirs"])
    browser.send("/schedule/spread", status=400, job=["one"])
    assert door.notes == ["spread one, two"]
    browser.get(f"/schedule/spread?minute={minute + 60_000}", status=404)
