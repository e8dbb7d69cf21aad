"""What the known runs of a job come to: day by day or hour by hour, week by week, and what went wrong how often."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dkronpy.clock import from_ms, to_ms
from dkronpy.execution import REASONS, Run
from dkronpy.web.board import Figures, figures, took
from dkronpy.web.states import is_missed, is_trouble

WEEKS, DAYS = 26, 7
WINDOW = 20
"""How many runs the lines of a chart look back upon."""
LEVELS = 4
_LONG_MS = 4 * 24 * 3_600_000
"""History that reaches further back is shown day by day, else hour by hour."""
_MOST_TROUBLES = 8


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A day or an hour: from when until when (ms), how many runs, how many of them went wrong."""

    start_ms: int
    end_ms: int
    total: int = 0
    bad: int = 0
    future: bool = False

    @property
    def tone(self) -> str:
        """The class that colours it: ``none``, ``good``, or ``bad1`` (few) to ``bad4`` (all went wrong)."""
        if not self.total:
            return "none"
        return f"bad{max(1, -(-self.bad * LEVELS // self.total))}" if self.bad else "good"


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of cells: weekdays by weeks (``daily``), or days by hours."""

    daily: bool
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A way in which runs went wrong, how often, and the newest of them."""

    text: str
    count: int
    newest: Run


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What a canvas draws, the oldest run first. Times are seconds since the epoch, durations and lines seconds."""

    at: list[float]
    took: list[float]
    bad: list[int]
    ids: list[str]
    p50: list[float]
    p95: list[float]


def heat_map(runs: Sequence[Run], zone: ZoneInfo, now_ms: int) -> HeatMap:
    """Days of the last half year where history reaches far enough back, else hours of the last week."""
    oldest = min((run.due_ms for run in runs), default=now_ms)
    return _days(runs, zone, now_ms) if now_ms - oldest > _LONG_MS else _hours(runs, zone, now_ms)


def _days(runs: Sequence[Run], zone: ZoneInfo, now_ms: int) -> HeatMap:
    today = from_ms(now_ms).astimezone(zone).date()
    monday = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    counts = _counted((from_ms(run.due_ms).astimezone(zone).date(), run) for run in runs)
    weeks = [monday + timedelta(weeks=week) for week in range(WEEKS)]
    heads = tuple(f"{first:%b}" if first.day <= 7 else "" for first in weeks)
    rows = []
    for weekday in range(DAYS):
        days = [first + timedelta(days=weekday) for first in weeks]
        cells = tuple(
            _cell(counts, day, _midnight(day, zone), _midnight(day + timedelta(days=1), zone), now_ms) for day in days
        )
        rows.append((f"{days[0]:%a}", cells))
    return HeatMap(daily=True, heads=heads, rows=tuple(rows))


def _hours(runs: Sequence[Run], zone: ZoneInfo, now_ms: int) -> HeatMap:
    today = from_ms(now_ms).astimezone(zone).date()
    places = ((from_ms(run.due_ms).astimezone(zone), run) for run in runs)
    counts = _counted(((at.date(), at.hour), run) for at, run in places)
    rows = []
    for back in range(DAYS - 1, -1, -1):
        day = today - timedelta(days=back)
        midnight = _midnight(day, zone)
        starts = [to_ms(from_ms(midnight).astimezone(zone).replace(hour=hour)) for hour in range(24)]
        cells = tuple(_cell(counts, (day, hour), start, start + 3_600_000, now_ms) for hour, start in enumerate(starts))
        rows.append((f"{day:%a} {day.day}", cells))
    return HeatMap(daily=False, heads=tuple(f"{hour:02d}" for hour in range(24)), rows=tuple(rows))


def _counted(places: Iterable[tuple[object, Run]]) -> Counter[tuple[object, bool]]:
    counts: Counter[tuple[object, bool]] = Counter()
    for place, run in places:
        if run.terminal:
            counts[place, is_trouble(run.state, run.reason) or is_missed(run.state, run.reason)] += run.count
    return counts


def _cell(counts: Counter[tuple[object, bool]], place: object, start: int, end: int, now_ms: int) -> Cell:
    good, bad = counts[place, False], counts[place, True]
    return Cell(start_ms=start, end_ms=end, total=good + bad, bad=bad, future=start > now_ms)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=zone))


def by_week(runs: Sequence[Run], zone: ZoneInfo) -> list[tuple[date, Figures, int]]:
    """For each week with runs, the newest first: its Monday, what its runs come to, and the longest of them in ms."""
    weeks: dict[date, list[Run]] = {}
    for run in runs:
        day = from_ms(run.due_ms).astimezone(zone).date()
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(run)
    return [
        (monday, figures(found), max(took(run) or 0 for run in found))
        for monday, found in sorted(weeks.items(), reverse=True)
    ]


def troubles(runs: Sequence[Run]) -> list[Trouble]:
    """The ways in which runs went wrong, the most frequent first; *runs* come newest first."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if is_trouble(run.state, run.reason) or is_missed(run.state, run.reason):
            found.setdefault(run.message or REASONS.get(run.reason, run.state), []).append(run)
    ways = [Trouble(text=text, count=sum(run.count for run in same), newest=same[0]) for text, same in found.items()]
    return sorted(ways, key=lambda way: -way.count)[:_MOST_TROUBLES]


def chart(runs: Sequence[Run]) -> Chart:
    """How long the runs took, with the median and the 95th percentile of the last ``WINDOW`` at each; newest first."""
    shown = [run for run in reversed(runs) if took(run) is not None]
    last: deque[float] = deque(maxlen=WINDOW)
    p50, p95 = [], []
    for run in shown:
        last.append((took(run) or 0) / 1000)
        ordered = sorted(last)
        p50.append(ordered[len(ordered) // 2])
        p95.append(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))])
    return Chart(
        at=[run.due_ms / 1000 for run in shown], took=[(took(run) or 0) / 1000 for run in shown],
        bad=[int(is_trouble(run.state, run.reason)) for run in shown], ids=[run.id for run in shown], p50=p50, p95=p95,
    )  # fmt: skip
