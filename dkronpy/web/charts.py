"""Small charts as SVG: the last runs of a job, and how long they took. They are links, and need no script."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from dkronpy.execution import Run
from dkronpy.web.board import figures, took
from dkronpy.web.moments import Moments, say_ms
from dkronpy.web.places import run_place
from dkronpy.web.states import look

_BAR, _STEP, _HIGH = 5, 7, 20
_WIDE, _TALL = 8, 120


def spark(runs: Sequence[Run], most: int = 20) -> Markup:
    """The last runs, the newest at the right; the height says how long each took against the longest."""
    shown = list(reversed(runs[:most]))
    if not shown:
        return Markup('<span class="quiet none">no runs yet</span>')
    longest = max((took(run) or 0 for run in shown), default=0) or 1
    first = most - len(shown)
    bars = Markup("").join(
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            look(run.state, run.reason).tone, (first + index) * _STEP, _HIGH - height, _BAR, height
        )
        for index, run in enumerate(shown)
        for height in [_height(took(run), longest)]
    )
    failed = sum(look(run.state, run.reason).tone == "bad" for run in shown)
    label = f"last {len(shown)} runs, {failed} of them failed" if failed else f"last {len(shown)} runs, none failed"
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(most * _STEP, _HIGH, most * _STEP, _HIGH, label, bars)


def _height(span: int | None, longest: int) -> int:
    return 4 if span is None else max(4, round(_HIGH * (0.3 + 0.7 * span / longest)))


def durations(runs: Sequence[Run], moment: Moments, most: int = 60) -> Markup:
    """How long each of the last runs took, the newest at the right, with the median as a line."""
    shown = [run for run in runs if took(run) is not None][:most][::-1]
    if not shown:
        return Markup("")
    known = figures(shown)
    longest = max(took(run) or 0 for run in shown) or 1
    width = most * _WIDE
    bars = Markup("").join(_bar(run, most - len(shown) + index, longest, moment) for index, run in enumerate(shown))
    line = Markup("")
    if known.median is not None:
        y = _TALL - round((_TALL - 8) * known.median / longest)
        line = Markup('<line class="median" x1="0" x2="{}" y1="{}" y2="{}"/>').format(width, y, y)
    label = f"Durations of the last {len(shown)} runs, at most {say_ms(longest)}"
    return Markup(
        '<svg class="durations" viewBox="0 0 {} {}" preserveAspectRatio="none" role="group" aria-label="{}">{}{}</svg>'
    ).format(width, _TALL, label, bars, line)


def _bar(run: Run, index: int, longest: int, moment: Moments) -> Markup:
    seen, span = look(run.state, run.reason), took(run) or 0
    height = max(3, round((_TALL - 8) * span / longest))
    title = f"{moment.full(run.due_ms)}: {seen.word}, {say_ms(span)}"
    return Markup(
        '<a href="{}" aria-label="{}"><title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="{}"/></a>'
    ).format(run_place(run.id), title, title, seen.tone, index * _WIDE + 1, _TALL - height, _WIDE - 2, height)
