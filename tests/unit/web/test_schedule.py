"""The page of what is due: a day, the coming week, five weeks, and the ways between them."""

from __future__ import annotations

import re
from datetime import timedelta

from dkronpy.client import Client
from dkronpy.clock import from_ms, to_ms
from tests.support import wait_until
from tests.unit.web.conftest import Browser, save, visible


def counted(browser: Browser, path: str) -> str:
    """A page of the schedule once everything is counted."""
    return wait_until(
        lambda: "week tick" not in (html := browser.get(path)) and "being counted" not in html and html,
        description="what is due is counted",
    )


def test_a_month_leads_to_its_days_and_a_day_to_its_minutes(browser: Browser, client: Client) -> None:
    for name in ("early", "early-too"):
        save(client, name, schedule="7 2 * * *")
    month = counted(browser, "/schedule?view=month")
    days = re.findall(r'href="/ui(/schedule\?view=day&amp;day=(\d+))"', month)
    assert len(days) == 35
    assert "Schedule of these five weeks" in visible(month)
    now = from_ms(client.deployment.store.now_ms())
    today = to_ms(now.replace(hour=0, minute=0, second=0, microsecond=0))
    for path, at in (days[0], days[-1], next(day for day in days if int(day[1]) == today)):
        day = counted(browser, path.replace("&amp;", "&"))
        assert f"Schedule of {from_ms(int(at)):%A}, {from_ms(int(at)).day} {from_ms(int(at)):%B %Y}" in visible(day)
        (cell,) = set(re.findall(r'href="/ui(/schedule\?view=day&amp;day=\d+&amp;hour=\d+)#hour"', day))
        minutes = visible(counted(browser, cell.replace("&amp;", "&")))
        assert re.search(r"02:07 2 jobs? ?s? early , early-too", minutes), minutes
        beside = [int(one) for one in re.findall(r'day=(\d+)">(?:. day before|day after)', day)]
        assert 1 <= len(beside) <= 2
        assert all(abs(one - int(at)) == timedelta(days=1) // timedelta(milliseconds=1) for one in beside)


def test_a_day_that_is_not_counted_is_today(browser: Browser, client: Client) -> None:
    save(client, "early", schedule="7 2 * * *")
    now = from_ms(client.deployment.store.now_ms())
    today = f"Schedule of {now:%A}, {now.day} {now:%B %Y}"
    for asked in ("", "0", "x", str(to_ms(now + timedelta(days=90))), str(to_ms(now - timedelta(days=20)))):
        assert today in visible(counted(browser, f"/schedule?view=day&day={asked}"))
    assert "Schedule of the coming week" in visible(counted(browser, "/schedule?view=century"))
