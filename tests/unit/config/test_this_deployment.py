"""The configuration that `scripts/run` runs: its jobs are sound, frequent and need nothing but the machine."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dkronpy.config import load_jobs
from dkronpy.settings import Settings, load_settings, setting_names

ROOT = Path(__file__).resolve().parents[3]


def test_its_six_jobs_have_no_problems() -> None:
    config = load_jobs(ROOT / "config")
    assert config.problems == ()
    assert [job.name for job in config.jobs] == [
        "disk-space", "check-health", "rotate-logs", "machine", "hello-everywhere", "welcome",
    ]  # fmt: skip
    assert {job.executor for job in config.jobs} == {"shell", "http", "python"}
    assert [job.name for job in config.jobs if job.on.every] == ["hello-everywhere"]


def test_at_least_five_runs_are_due_within_15_seconds_of_any_start() -> None:
    schedules = [job.parsed_schedule() for job in load_jobs(ROOT / "config").jobs]
    for second in range(60):
        start = datetime(2027, 5, 3, 10, 0, second, tzinfo=timezone.utc)
        assert sum(len([*one.between(start, start + timedelta(seconds=15))]) for one in schedules) >= 5


def test_the_one_shot_is_owed_once_whenever_the_first_start_is() -> None:
    welcome = next(job for job in load_jobs(ROOT / "config").jobs if job.name == "welcome").parsed_schedule()
    for year in (2026, 2030, 2035):
        now_ms = int(datetime(year, 6, 1, tzinfo=timezone.utc).timestamp() * 1000)
        first = welcome.first_ms(now_ms)
        assert first == int(datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() * 1000)
        assert welcome.next_ms(first) is None


def test_its_jobs_are_the_same_each_time_they_are_loaded() -> None:
    assert load_jobs(ROOT / "config").jobs == load_jobs(ROOT / "config").jobs


def test_the_health_check_asks_where_up_says_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DKRONPY_HEALTH_URL", "http://127.0.0.1:4242/health")
    check = next(job for job in load_jobs(ROOT / "config").jobs if job.name == "check-health")
    assert check.executor_config["url"] == "http://127.0.0.1:4242/health"


def test_its_settings_file_shows_every_setting_with_its_default() -> None:
    assert load_settings(ROOT / "config", {})[0] == Settings()
    text = (ROOT / "config" / "settings.py").read_text("utf-8")
    shown = [line.removeprefix("# ") for line in text.splitlines() if " = " in line and line.startswith("# ")]
    given = {name.strip(): ast.literal_eval(value) for name, _, value in (line.partition(" = ") for line in shown)}
    assert sorted(given) == sorted(setting_names())
    environ = {f"DKRONPY_{name.upper()}": str(value) for name, value in given.items() if not isinstance(value, dict)}
    assert load_settings(None, environ)[0] == Settings()
