"""The window that the address of the timeline names, the strip around it, and what ran in it."""

from __future__ import annotations

import re

import pytest

from dkronpy.client import Client
from dkronpy.execution import Run
from dkronpy.web.timeline import Window
from dkronpy.web.timeline_page import BARS, strip_of
from tests.unit.web.conftest import Browser, Door, save, visible
from tests.unit.web.test_endings import ended

DAY = 86_400_000
NOW = 1_795_000_000_000


def run(due_ms: int, state: str = "success") -> Run:
    return Run(id=f"a@{due_ms}", job="a", due_ms=due_ms, state=state, finished_ms=due_ms + 5)


def test_the_strip_counts_what_ran_around_the_window() -> None:
    window = Window(start=NOW - 3_600_000, end=NOW + 1_200_000)
    strip = strip_of([run(NOW), run(NOW, "failed"), run(NOW - DAY // 2), run(NOW - 2 * DAY)], window, NOW)
    assert (strip.end - strip.start, len(strip.good), len(strip.bad)) == (DAY, BARS, BARS)
    assert (sum(strip.good), sum(strip.bad)) == (2, 1)
    assert strip.start < window.start < window.end <= strip.end
    assert [good for good, bad in zip(strip.good, strip.bad, strict=True) if bad] == [1]


@pytest.mark.parametrize("start", [NOW - 9 * DAY, NOW - 1_000])
def test_the_strip_of_an_earlier_and_longer_time_holds_its_window(start: int) -> None:
    window = Window(start=start, end=start + 2 * DAY, chosen=True)
    strip = strip_of([], window, NOW)
    assert strip.start <= window.start
    assert window.end <= strip.end
    assert strip.end - strip.start == 8 * DAY


def test_what_ran_in_the_chosen_time_is_listed_and_one_can_go_on(browser: Browser, client: Client, door: Door) -> None:
    save(client, "one"), save(client, "two")
    first = ended(client, "one", 1, b"no such table")
    ended(client, "two", 60)
    html = browser.get(f"/timeline?from={first.due_ms - 30_000}&to={first.due_ms + 30_000}")
    table = html.partition("<tbody>")[2]
    assert "no such table" in table
    assert "two" not in table
    assert 'data-live="none"' in html
    later = re.search(r'href="/ui(/timeline[^"]*)">later', html)
    assert later
    assert f"from={first.due_ms}" in later[1]
    after = browser.get(f"/timeline?from={first.due_ms + 5_000}&to={first.due_ms + 65_000}")
    assert "Nothing ran in this time." in visible(after)
    assert "Nothing ran in this time of the jobs that fit two" in visible(
        browser.get(f"/timeline?q=two&from={first.due_ms - 30_000}&to={first.due_ms + 30_000}")
    )
    door.jobs = {"two"}
    assert "no such table" not in browser.get(f"/timeline?from={first.due_ms - 30_000}&to={first.due_ms + 30_000}")


@pytest.mark.parametrize("query", ["from=1", "from=5&to=1", "from=0&to=99999999999999999", "from=x&to=y", "span=2y"])
def test_a_time_that_makes_no_sense_is_the_usual_one(browser: Browser, query: str) -> None:
    assert 'data-live="runs jobs"' in browser.get(f"/timeline?{query}")
