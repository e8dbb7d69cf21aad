"""How long the next due time takes: ours beside cronsim and croniter, in microseconds."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

from dkronpy.schedule import parse

START = datetime(2027, 1, 1, tzinfo=timezone.utc)
START_MS = int(START.timestamp() * 1000)
END_YEAR = 2100
END_MS = int(START.replace(year=END_YEAR).timestamp() * 1000)
PROMISED_MICROSECONDS = 15.0

# The text, its zone, and whether it is an ordinary cron, for which the promise holds.
EXPRESSIONS = [
    ("* * * * *", "UTC", True),
    ("*/10 * * * * *", "UTC", True),
    ("*/15 9-17 * * MON-FRI", "Europe/Berlin", True),
    ("30 2 * * *", "Europe/Berlin", True),
    ("30 2 * * MON-FRI", "America/New_York", True),
    ("0 0 1 * *", "Australia/Lord_Howe", True),
    ("0 12 1,15 * FRI", "Pacific/Chatham", True),
    ("0 0 L * *", "Europe/Berlin", True),
    ("0 0 * * 1#2", "Europe/Berlin", True),
    ("0 0 29 2 *", "UTC", False),
    ("@daily", "Europe/Berlin", True),
    ("@every 90s", "UTC", True),
    ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "Europe/Berlin", False),
]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Microseconds per next due time of one expression by one engine."""

    expression: str
    timezone: str
    engine: str
    median: float
    p99: float


Step = Callable[[], object]
Engine = Callable[[str, str], "Step | None"]


def ours(text: str, zone: str) -> Step | None:
    schedule = parse(text, timezone=zone)
    moment = START_MS

    def step() -> None:
        nonlocal moment
        found = schedule.next_ms(moment)
        moment = START_MS if found is None or found > END_MS else found

    return step


def cronsim_reused(text: str, zone: str) -> Step | None:
    start = START.astimezone(ZoneInfo(zone))
    return _reusing(lambda: CronSim(text, start).__next__) if _is_cron(text) else None


def cronsim_fresh(text: str, zone: str) -> Step | None:
    return _anew(lambda moment: next(CronSim(text, moment)), zone) if _is_cron(text) else None


def croniter_reused(text: str, zone: str) -> Step | None:
    start = START.astimezone(ZoneInfo(zone))

    def begin() -> Callable[[], datetime]:
        iterator = croniter(text, start, second_at_beginning=True)
        return lambda: iterator.get_next(datetime)

    return _reusing(begin) if _is_cron(text) else None


def croniter_fresh(text: str, zone: str) -> Step | None:
    def following(moment: datetime) -> datetime:
        found: datetime = croniter(text, moment, second_at_beginning=True).get_next(datetime)
        return found

    return _anew(following, zone) if _is_cron(text) else None


def _reusing(begin: Callable[[], Callable[[], datetime]]) -> Step:
    """Ask one iterator again and again, and begin anew before the years run out."""
    following = begin()

    def step() -> None:
        nonlocal following
        if following().year >= END_YEAR:
            following = begin()

    return step


def _anew(following: Callable[[datetime], datetime], zone: str) -> Step:
    """Make an iterator for every answer, as a scheduler does that keeps only the text."""
    start = moment = START.astimezone(ZoneInfo(zone))

    def step() -> None:
        nonlocal moment
        moment = following(moment)
        if moment.year >= END_YEAR:
            moment = start

    return step


def _is_cron(text: str) -> bool:
    return not text.startswith(("@", "RRULE"))


ENGINES: dict[str, Engine] = {
    "ours": ours,
    "cronsim": cronsim_reused,
    "cronsim fresh": cronsim_fresh,
    "croniter": croniter_reused,
    "croniter fresh": croniter_fresh,
}


def measure(count: int) -> Iterator[Timing]:
    """Every expression by every engine that reads it, ``count`` due times each."""
    for text, zone, _ in EXPRESSIONS:
        for name, engine in ENGINES.items():
            step = engine(text, zone)
            if step is None:
                continue
            spent = []
            for _ in range(count):
                begin = time.perf_counter_ns()
                step()
                spent.append((time.perf_counter_ns() - begin) / 1000)
            spent.sort()
            yield Timing(
                expression=text,
                timezone=zone,
                engine=name,
                median=round(statistics.median(spent), 2),
                p99=round(spent[int(count * 0.99)], 2),
            )


def table(timings: Sequence[Timing]) -> str:
    """Median and 99th percentile of each engine, a line an expression."""
    found = {(timing.expression, timing.engine): timing for timing in timings}
    width = max(len(text) for text, _, _ in EXPRESSIONS) + 2
    lines = ["microseconds per next due time: median / 99th percentile", ""]
    lines.append(f"{'':{width}}" + "".join(f"{name:>18}" for name in ENGINES))
    for text, _, _ in EXPRESSIONS:
        cells = (found.get((text, name)) for name in ENGINES)
        shown = (f"{cell.median:.1f} / {cell.p99:.1f}" if cell else "-" for cell in cells)
        lines.append(f"{text:{width}}" + "".join(f"{cell:>18}" for cell in shown))
    return "\n".join(lines)


def slow_medians(timings: Sequence[Timing]) -> list[float]:
    """Our medians of ordinary crons that are above what is promised."""
    ordinary = {text for text, _, is_ordinary in EXPRESSIONS if is_ordinary}
    mine = (timing for timing in timings if timing.engine == "ours" and timing.expression in ordinary)
    return [timing.median for timing in mine if timing.median >= PROMISED_MICROSECONDS]


def main(argv: Sequence[str]) -> int:
    """Print the table, or with ``--json`` the figures; status 1 when a median of ours breaks the promise."""
    parser = argparse.ArgumentParser(prog="scripts/bench schedule", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print figures instead of a table")
    parser.add_argument("--count", type=int, default=2_000, help="due times per expression and engine")
    options = parser.parse_args(argv)
    timings = list(measure(max(options.count, 1)))
    if options.json:
        figures = {"python": platform.python_version(), "timings": [asdict(timing) for timing in timings]}
        print(json.dumps(figures, indent=2))
    else:
        print(table(timings))
    return 1 if slow_medians(timings) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
