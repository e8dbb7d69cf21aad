"""What many runs come to, on days of the viewer's zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from dkronpy.clock import to_ms
from dkronpy.execution import Run
from dkronpy.web.history import by_week, chart, heat_map, troubles

BERLIN = ZoneInfo("Europe/Berlin")
DAY_MS = 86_400_000


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def run(text: str, took_s: float = 1, **fields: object) -> Run:
    due = at(text)
    known = {"state": "success", "fired_ms": due, "finished_ms": due + round(took_s * 1000), **fields}
    return Run(id=f"job@{text}", job="job", due_ms=due, execution_ids=("x",), **known)  # type: ignore[arg-type]


NOW = at("2026-11-26T12:00")  # a Thursday


def test_days_are_the_viewers_and_know_their_share_of_trouble() -> None:
    runs = [
        run("2026-11-26T00:30"),  # the 25th in UTC
        run("2026-11-25T10:00", state="failed", reason="exit"),
        run("2026-11-25T11:00"), run("2026-11-25T12:00"), run("2026-11-25T13:00"),
        run("2026-11-24T10:00", state="skipped", reason="misfire_late", count=3),
        run("2026-11-23T10:00", state="failed", reason="cancelled"),
        run("2026-11-10T10:00"), run("2026-11-26T11:59", state="running"),
    ]  # fmt: skip
    found = heat_map(runs, BERLIN, NOW)
    assert found.daily
    assert [name for name, _ in found.rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    newest = [cells[-1] for _, cells in found.rows]
    assert [(cell.total, cell.bad, cell.tone) for cell in newest[:4]] == [
        (1, 0, "good"), (3, 3, "bad4"), (4, 1, "bad1"), (1, 0, "good"),
    ]  # fmt: skip
    assert [cell.future for cell in newest] == [False] * 4 + [True] * 3
    assert newest[3].start_ms == at("2026-11-26T00:00")
    assert found.rows[1][1][-3].total == 1
    assert sum(cell.total for _, cells in found.rows for cell in cells) == 10
    assert found.heads[-4:] == ("Nov", "", "", "")


def test_a_day_of_a_clock_change_has_its_own_length() -> None:
    found = heat_map([run("2026-10-01T10:00")], BERLIN, NOW)
    sunday = found.rows[6][1][-6]
    assert sunday.start_ms == at("2026-10-25T00:00")
    assert sunday.end_ms - sunday.start_ms == 25 * 3_600_000


def test_a_young_job_is_shown_by_hours() -> None:
    found = heat_map(
        [run("2026-11-26T02:30"), run("2026-11-25T02:59", state="lost", reason="lease_expired")], BERLIN, NOW
    )
    assert not found.daily
    assert [name for name, _ in found.rows][-2:] == ["Wed 25", "Thu 26"]
    assert [found.rows[row][1][2].tone for row in (-2, -1)] == ["bad4", "good"]
    assert found.rows[-1][1][13].future


def test_lines_follow_the_last_twenty_runs() -> None:
    runs = [
        run(f"2026-11-2{day}T10:{minute:02d}", 1 if day == 1 else 9) for day in (2, 1) for minute in range(39, -1, -1)
    ]
    found = chart([run("2026-11-23T10:00", 5, state="failed"), run("2026-11-23T11:00", state="running"), *runs])
    assert found.at == sorted(found.at)
    assert (found.took[0], found.p50[0], found.p95[0]) == (1, 1, 1)
    assert (found.p50[45], found.p95[45]) == (1, 9)
    assert (found.p50[79], found.p95[79]) == (9, 9)
    assert found.bad == [0] * 80 + [1]
    assert len(found.ids) == 81


def test_trouble_is_grouped_by_what_it_said_and_weeks_are_summed() -> None:
    refused = {"state": "failed", "reason": "exit", "message": "connection refused"}
    runs = [
        run("2026-11-26T10:00", 7, **refused), run("2026-11-25T10:00", state="failed", reason="timeout"),
        run("2026-11-24T10:00", 3, **refused), run("2026-11-17T10:00", 2),
    ]  # fmt: skip
    ways = [(way.text, way.count, way.newest.id) for way in troubles(runs)]
    assert ways[0] == ("connection refused", 2, "job@2026-11-26T10:00")
    assert ways[1][0] == "it ran longer than its timeout and was ended"
    weeks = by_week(runs, BERLIN)
    assert [(monday.isoformat(), found.ended, found.succeeded, most) for monday, found, most in weeks] == [
        ("2026-11-23", 3, 0, 7000), ("2026-11-16", 1, 1, 2000),
    ]  # fmt: skip
