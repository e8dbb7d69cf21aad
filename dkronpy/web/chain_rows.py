"""The timeline by chain: each chain has a row, and further lanes below it where its jobs ran at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dkronpy.client import JobView
from dkronpy.execution import Run
from dkronpy.web.board import MOST_RUNS, Board, figures
from dkronpy.web.chains import first_of, groups_of
from dkronpy.web.places import job_place
from dkronpy.web.timeline import MOST_ROWS, Timeline, Window, bar, drawn_of, plan


def by_chain(
    board: Board,
    views: Mapping[str, JobView],
    now_ms: int,
    window: Window,
    runs: Sequence[Run] | None = None,
    most: int = MOST_ROWS,
) -> Timeline:
    """Every chain that ran in the window or is due in it, by the name of its first job."""
    known = board.runs() if runs is None else runs
    drawn: dict[str, list[Run]] = {}
    for run in drawn_of(known, views, window, now_ms):
        drawn.setdefault(run.job, []).append(run)
    due = {name for _, name in board.digest().due(window.end)} if window.end > now_ms else set()
    chains = [names for names in groups_of(views) if any(name in drawn or name in due for name in names)]
    found = Timeline(
        start=window.start, end=window.end, now=now_ms, rows=[], links=[], spans=[], plans=[], bands=[],
        chosen=window.chosen, named=True, cut=len(known) >= MOST_RUNS and known[-1].due_ms > window.start,
        hidden=max(0, len(chains) - most),
    )  # fmt: skip
    for first, names in sorted((first_of(names, views), names) for names in chains[:most]):
        row = found.add(
            f"{first} +{len(names) - 1}", job_place(first), [bar(run) for name in names for run in drawn.get(name, ())]
        )
        for name in names:
            usual = int(figures(board.recent(name)).median or 0)
            plan(views[name], row, (now_ms, window.end, usual), found.plans, found.bands)
    return found
