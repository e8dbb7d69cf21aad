"""The timeline: what ran and what is planned, as rows of spans that a canvas draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from dkronpy.client import JobView
from dkronpy.execution import Execution, Run
from dkronpy.web.board import MOST_RUNS, Board, figures
from dkronpy.web.lanes import lanes_of
from dkronpy.web.places import job_place, node_place
from dkronpy.web.states import look

MOST_ROWS = 24
MOST_PLANNED = 36
"""Planned runs that are drawn one by one; what is due more often becomes a band."""
SPANS = {
    "15m": (900_000, 300_000),
    "1h": (3_600_000, 1_200_000),
    "6h": (21_600_000, 7_200_000),
    "24h": (86_400_000, 28_800_000),
}
"""What a page shows: so many ms back and ahead."""
_TONES = ("good", "bad", "busy", "mute", "warn")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, in ms; one that was chosen stays where it is while time goes on."""

    start: int
    end: int
    chosen: bool = False


def around(now_ms: int, span: str) -> Window:
    """The window of a span."""
    back, ahead = SPANS[span]
    return Window(start=now_ms - back, end=now_ms + ahead)


def usual_span(runs: Sequence[Run], now_ms: int) -> str:
    """What is shown unless somebody chooses: an hour, or less where the known runs do not reach so far back."""
    oldest = min((run.fired_ms or run.due_ms for run in runs), default=0)
    return "15m" if oldest and now_ms - oldest < SPANS["15m"][0] else "1h"


Bar = tuple[int, int, int, int, str, str]
"""Row, begin, end (0: goes on), index of its tone, id of its run, word."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What a canvas draws. Times are ms. A row without a name is one more lane of the row above it.

    A plan: row, begin, end; those that are bands stand for many runs.
    """

    start: int
    end: int
    now: int
    rows: list[str]
    links: list[str]
    spans: list[Bar]
    plans: list[tuple[int, int, int]]
    bands: list[tuple[int, int, int]]
    chosen: bool = False
    named: bool = False
    """Whether the bars of a row are of several jobs, so that each says whose it is."""
    hidden: int = 0
    """How many more rows there would be."""
    cut: bool = False
    """Whether there were more runs than are known here, so that older ones are missing."""

    def add(self, name: str, link: str, bars: Sequence[Bar]) -> int:
        """A row of bars, with lanes for what went on at the same time; the number of its first one."""
        row = len(self.rows)
        lanes = lanes_of([(begin, end) for _, begin, end, *_ in bars], self.now)
        self.spans.extend((row + lane, *one[1:]) for lane, one in zip(lanes, bars, strict=True))
        many = max(lanes, default=0) + 1
        self.rows.extend([name, *[""] * (many - 1)])
        self.links.extend([link] * many)
        return row

    def encoded(self) -> str:
        """As the canvas reads it."""
        return msgspec.json.encode(self).decode()

    def label(self) -> str:
        """What it shows, for those who do not see it."""
        bad = sum(_TONES[tone] == "bad" for _, _, _, tone, _, _ in self.spans)
        rows = sum(bool(row) for row in self.rows)
        return f"Timeline of {rows} rows with {len(self.spans)} runs, {bad} of them failed; the list is below"


def by_job(
    board: Board,
    views: Mapping[str, JobView],
    now_ms: int,
    window: Window,
    runs: Sequence[Run] | None = None,
    most: int = MOST_ROWS,
) -> Timeline:
    """A row for each job that ran in the window or is due in it; of *runs*, or else of those that the board knows."""
    start, end = window.start, window.end
    known = board.runs() if runs is None else runs
    drawn = drawn_of(known, views, window, now_ms)
    ahead = board.digest().due(end) if end > now_ms else iter(())
    names = _rows(drawn, views, ahead, most)
    index = {name: row for row, name in enumerate(names[:most])}
    spans = [bar(run, index[run.job]) for run in drawn if run.job in index]
    plans: list[tuple[int, int, int]] = []
    bands: list[tuple[int, int, int]] = []
    for name, row in index.items():
        usual = int(figures(board.recent(name)).median or 0)
        plan(views[name], row, (now_ms, end, usual), plans, bands)
    return Timeline(
        start=start, end=end, now=now_ms, rows=list(index), links=[job_place(name) for name in index],
        spans=spans, plans=plans, bands=bands, hidden=max(0, len(names) - most), chosen=window.chosen,
        cut=len(known) >= MOST_RUNS and (known[-1].fired_ms or known[-1].due_ms) > start,
    )  # fmt: skip


def by_node(executions: Iterable[Execution], nodes: Sequence[str], now_ms: int, window: Window) -> Timeline:
    """A row for each node, with what ran there."""
    bars: dict[str, list[Bar]] = {name: [] for name in nodes[:MOST_ROWS]}
    for one in executions:
        known = one.node in bars and one.started_ms and one.started_ms <= window.end
        if known and (one.finished_ms or now_ms) >= window.start:
            seen = look(one.state, one.reason)
            tone = _TONES.index(seen.tone)
            bars[one.node].append((0, one.started_ms, one.finished_ms, tone, one.run_id, seen.word))
    found = Timeline(
        start=window.start, end=window.end, now=now_ms, rows=[], links=[], spans=[], plans=[], bands=[],
        hidden=max(0, len(nodes) - MOST_ROWS), chosen=window.chosen, named=True,
    )  # fmt: skip
    for name, its in bars.items():
        found.add(name, node_place(name), its)
    return found


def drawn_of(runs: Sequence[Run], views: Mapping[str, JobView], window: Window, now_ms: int) -> list[Run]:
    """Those of some runs that reach into the window."""
    return [
        run
        for run in runs
        if run.job in views and run.due_ms <= window.end and (run.finished_ms or now_ms) >= window.start
    ]


def _rows(runs: Sequence[Run], views: Mapping[str, JobView], due: Iterable[tuple[int, str]], most: int) -> list[str]:
    """Which jobs have rows: those that ran last come first, then those that are due; shown by name."""
    order = dict.fromkeys(run.job for run in runs)
    order.update(dict.fromkeys(name for _, name in due if name in views))
    names = list(order)
    return sorted(names[:most]) + names[most:]


def bar(run: Run, row: int = 0) -> Bar:
    """The bar of a run."""
    seen = look(run.state, run.reason)
    begin = run.fired_ms if run.execution_ids and run.fired_ms else run.due_ms
    end = 0 if run.state == "running" else run.finished_ms if run.execution_ids else begin
    return (row, begin, end, _TONES.index(seen.tone), run.id, seen.word)


def plan(
    view: JobView,
    row: int,
    window: tuple[int, int, int],
    plans: list[tuple[int, int, int]],
    bands: list[tuple[int, int, int]],
) -> None:
    """Add what a job is due until the end of the window, as bars that are as long as it usually takes, or as a band."""
    now_ms, end, usual = window
    first = view.stored.due_ms
    if first is None or first > end or not view.job.enabled:
        return
    due = list(islice(view.stored.schedule().between_ms(max(first, now_ms) - 1, end), MOST_PLANNED + 1))
    if len(due) > MOST_PLANNED:
        bands.append((row, due[0], end))
    else:
        plans.extend((row, at, at + usual) for at in due)
