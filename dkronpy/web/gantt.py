"""The attempts of a run along one axis of time: waiting as a thin line, working as a bar. SVG, with links."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from dkronpy.execution import Attempt, Execution
from dkronpy.web.moments import say_ms
from dkronpy.web.places import run_place
from dkronpy.web.states import look

MOST_ROWS = 60
_LEFT, _WIDE, _RIGHT, _ROW, _TOP = 130, 760, 70, 24, 22
_STEPS_MS = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000, 86_400_000,
)  # fmt: skip
_MOST_MARKS = 8
Place = Callable[[int], float]


def gantt(executions: Sequence[Execution], now_ms: int) -> Markup:
    """The picture of a run; empty where nothing was tried yet."""
    rows = [(index, one) for index, one in enumerate(executions) if one.queued_ms][:MOST_ROWS]
    if not rows:
        return Markup("")
    start = min(one.queued_ms for _, one in rows)
    end = max(_end(one, now_ms) for _, one in rows)
    span = max(end - start, 1)

    def x(ms: int) -> float:
        return round(_LEFT + _WIDE * (min(max(ms, start), end) - start) / span, 1)

    tall = _TOP + _ROW * len(rows) + 4
    parts = [_grid(span, tall)]
    for number, (index, one) in enumerate(rows):
        parts.append(_row(index, one, _TOP + _ROW * number, x, now_ms))
    total = _LEFT + _WIDE + _RIGHT
    return Markup('<svg class="gantt" viewBox="0 0 {} {}" role="group" aria-label="{}">{}</svg>').format(
        total, tall, f"{len(rows)} executions in {say_ms(span)}", Markup("").join(parts)
    )


def _end(one: Execution, now_ms: int) -> int:
    return one.finished_ms if one.terminal and one.finished_ms else now_ms


def _grid(span: int, tall: int) -> Markup:
    step = next((step for step in _STEPS_MS if span / step <= _MOST_MARKS), span)
    marks = []
    for at in range(0, span + 1, max(1, int(step))):
        where = round(_LEFT + _WIDE * at / span, 1)
        label = "0" if not at else "+" + say_ms(at)
        marks.append(
            Markup('<line class="mark" x1="{0}" x2="{0}" y1="16" y2="{1}"/><text class="sub" x="{0}" y="11">{2}</text>')
            .format(where, tall, label)
        )  # fmt: skip
    return Markup("").join(marks)


def _row(index: int, one: Execution, y: int, to: Place, now_ms: int) -> Markup:
    middle = y + _ROW // 2
    end = _end(one, now_ms)
    parts = [
        Markup('<text class="who" x="{}" y="{}">{}</text>').format(
            _LEFT - 12, middle + 4, _short(one.node or "no node")
        ),
        Markup('<line class="wait" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(to(one.queued_ms), to(end), y=middle),
    ]
    parts += [_bar(index, one, attempt, middle, to, now_ms) for attempt in one.attempts]
    took = say_ms(end - one.queued_ms)
    parts.append(Markup('<text class="took" x="{}" y="{}">{}</text>').format(to(end) + 7, middle + 4, took))
    return Markup("").join(parts)


def _bar(index: int, one: Execution, attempt: Attempt, middle: int, to: Place, now_ms: int) -> Markup:
    begin, end = to(attempt.started_ms), to(attempt.finished_ms or now_ms)
    seen = look(attempt.state, attempt.reason)
    span = say_ms((attempt.finished_ms or now_ms) - attempt.started_ms)
    title = f"attempt {attempt.number} on {attempt.node or one.node}: {seen.word}, {span}"
    return Markup(
        '<a href="{}?execution={}&amp;attempt={}#output" aria-label="{title}"><title>{title}</title>'
        '<rect class="{}" x="{}" y="{}" width="{}" height="14" rx="3"/></a>'
    ).format(
        run_place(one.run_id), index, attempt.number, seen.tone, begin, middle - 7, max(3.0, round(end - begin, 1)),
        title=title,
    )  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"
