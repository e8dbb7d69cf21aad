"""The picture of a run's attempts, and what the page says about how it ended."""

from __future__ import annotations

import re

from dkronpy.execution import Attempt, Execution
from dkronpy.web.ansi import plain
from dkronpy.web.gantt import gantt


def execution(index: int, attempts: tuple[Attempt, ...], **fields: object) -> Execution:
    known = {"id": f"j@x.{index}", "run_id": "j@x", "job": "j", "node": f"n<{index}>", "due_ms": 0, "queued_ms": 1000}
    return Execution(attempts=attempts, **{**known, **fields})  # type: ignore[arg-type]


def bars(svg: str) -> list[tuple[str, float, float]]:
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    return [(tone, float(x), float(width)) for tone, x, width in found]


def test_bars_stand_where_their_time_is_and_lead_to_their_output() -> None:
    first = Attempt(number=1, node="n", started_ms=2000, finished_ms=4000, state="failed", reason="exit")
    second = Attempt(number=2, node="n", started_ms=8000, finished_ms=11_000, state="success")
    svg = str(gantt([execution(0, (first, second), state="success", finished_ms=11_000)], 50_000))
    (bad, x1, w1), (good, x2, w2) = bars(svg)
    assert (bad, good) == ("bad", "good")
    assert (x1, w1) == (130 + 76, 152)
    assert (x2, w2) == (130 + 532, 228)
    assert 'href="/ui/runs/j@x?execution=0&amp;attempt=2#output"' in svg
    assert "attempt 1 on n: failed, 2.0 s" in svg


def test_what_runs_goes_on_to_now_and_names_are_escaped() -> None:
    running = Attempt(number=1, started_ms=1000)
    svg = str(gantt([execution(0, (running,), state="running"), execution(1, (), state="queued")], 11_000))
    assert bars(svg) == [("busy", 130.0, 760.0)]
    assert "n&lt;0&gt;" in svg
    assert "<0>" not in svg
    assert svg.count('class="wait"') == 2
    assert gantt([execution(0, (), queued_ms=0)], 1) == ""


def test_text_is_freed_of_what_terminals_want() -> None:
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07and\x00 plain\u202e") == "red and plain\ufffd"
