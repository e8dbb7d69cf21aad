"""``scripts/bench schedule`` prints what it measured; how fast it was is no test's business."""

from __future__ import annotations

import json

import pytest

from scripts import bench_schedule as bench


def test_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--json", "--count", "3"]) in (0, 1)
    figures = json.loads(capsys.readouterr().out)["timings"]
    assert {figure["engine"] for figure in figures} == set(bench.ENGINES)
    assert {figure["expression"] for figure in figures} == {text for text, _, _ in bench.EXPRESSIONS}
    assert all(0 < figure["median"] <= figure["p99"] for figure in figures)


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--count", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split("  ")[-1].strip() == "croniter fresh"
    assert len(lines) == 3 + len(bench.EXPRESSIONS)


def test_a_median_above_the_promise_is_told() -> None:
    def timing(engine: str, expression: str, median: float) -> bench.Timing:
        return bench.Timing(expression=expression, timezone="UTC", engine=engine, median=median, p99=median)

    fast = [timing("ours", "* * * * *", 2.0), timing("cronsim", "* * * * *", 99.0), timing("ours", "0 0 29 2 *", 99.0)]
    assert bench.slow_medians(fast) == []
    assert bench.slow_medians([*fast, timing("ours", "30 2 * * *", 15.0)]) == [15.0]
