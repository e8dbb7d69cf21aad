"""Chains of jobs as pictures: who follows whom, how each went last. Links and SVG, so that no script is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from markupsafe import Markup

from dkronpy.client import JobView
from dkronpy.job.chain import Link
from dkronpy.web.board import Board, took
from dkronpy.web.layers import TALL, WIDE, Edge, arrange, components, longest_path
from dkronpy.web.moments import say_ms
from dkronpy.web.places import job_place, run_place
from dkronpy.web.states import Look, job_state, look

MOST = 120
"""Jobs that one picture shows."""
_LETTERS = 19
_NOT_YET = Look(glyph="◌", word="not yet", tone="mute")


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that hang together, and how many of them the picture leaves out."""

    names: tuple[str, ...]
    first: str
    """The job that the others follow, or the first of them by name."""
    svg: Markup
    left_out: int = 0


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A job of a chain as its box shows it; ``link`` may lead to its share of one run."""

    look: Look
    label: str
    text: str
    link: str
    usual: float = 0.0


def edges_of(views: Mapping[str, JobView]) -> list[Edge]:
    """Who follows whom, among jobs that are there."""
    return [(parent, name) for name, view in views.items() for parent in view.job.after if parent in views]


def groups_of(views: Mapping[str, JobView]) -> list[list[str]]:
    """The jobs that hang together, in groups of more than one, the largest first."""
    edges = edges_of(views)
    return components({name for edge in edges for name in edge}, edges)


def first_of(names: Sequence[str], views: Mapping[str, JobView]) -> str:
    """The job of a chain that the others follow, or the first of them by name."""
    return min(names, key=lambda name: (bool(views[name].job.after), name))


def chain_of(name: str, views: Mapping[str, JobView], board: Board) -> Chain | None:
    """The chain that a job belongs to; None for a job that stands alone, or was deleted in this very moment."""
    if name not in views:
        return None
    near = _around(name, views)
    return picture_of(near, views, board, name) if len(near) > 1 else None


def _around(name: str, views: Mapping[str, JobView]) -> list[str]:
    """The jobs that hang together with one, the nearest first."""
    found, at = dict.fromkeys([name]), [name]
    while at:
        beside = [other for one in at for other in (*views[one].job.after, *views[one].state.dependent_jobs)]
        at = [other for other in dict.fromkeys(beside) if other in views and other not in found]
        found.update(dict.fromkeys(at))
    return list(found)


def picture_of(names: Sequence[str], views: Mapping[str, JobView], board: Board, here: str = "") -> Chain:
    """The picture of a group; *here* is the job whose page it stands on."""
    shown = names[:MOST]
    stops = {name: _stop(views[name], board) for name in shown}
    whens = {(parent, name): views[name].job.condition(parent) for name in shown for parent in views[name].job.after}
    svg = draw(stops, {edge: when for edge, when in whens.items() if edge[0] in stops}, here)
    return Chain(names=tuple(names), first=first_of(names, views), svg=svg, left_out=len(names) - len(shown))


def picture_of_runs(links: Sequence[Link], views: Mapping[str, JobView], here: str) -> Chain:
    """The picture of one chain of runs; *here* is the job whose run the page is about."""
    shown = [link for link in links if link.job in views][:MOST]
    stops = {link.job: _run_stop(link, views[link.job]) for link in shown}
    lines = {
        (parent, link.job): views[link.job].job.condition(parent)
        for link in shown
        for parent in link.parents
        if parent in stops
    }
    names = tuple(link.job for link in shown)
    return Chain(names=names, first=names[0], svg=draw(stops, lines, here), left_out=len(links) - len(shown))


def _run_stop(link: Link, view: JobView) -> Stop:
    label, run = view.job.display_name or link.job, link.run
    if run is None:
        return Stop(look=_NOT_YET, label=label, text=f"{_NOT_YET.glyph} {_NOT_YET.word}", link=job_place(link.job))
    seen, span = look(run.state, run.reason), took(run)
    text = f"{seen.glyph} {seen.word}" + (f" · {say_ms(span)}" if span is not None else "")
    return Stop(look=seen, label=label, text=text, link=run_place(run.id), usual=float(span or 0))


def _stop(view: JobView, board: Board) -> Stop:
    name, recent = view.job.name, board.recent(view.job.name)
    seen = look(*job_state(view, recent[0] if recent else None))
    usual = board.figures(name).median or 0.0
    text = f"{seen.glyph} {seen.word}" + (f" · {say_ms(usual)}" if usual else "")
    return Stop(look=seen, label=view.job.display_name or name, text=text, link=job_place(name), usual=usual)


def draw(stops: Mapping[str, Stop], lines: Mapping[Edge, str], here: str = "") -> Markup:
    """The picture of some jobs and the lines between them; *lines* says how each parent has to end."""
    picture = arrange(stops, lines)
    critical = longest_path(picture.lines, {name: stop.usual for name, stop in stops.items()})
    if not any(stop.usual for stop in stops.values()):
        critical = set()
    drawn = Markup("").join(
        _line(points, lines[edge], strong=edge in critical) for edge, points in sorted(picture.lines.items())
    )
    boxes = Markup("").join(_box(stops[name], *picture.boxes[name], here=name == here) for name in picture.boxes)
    return Markup(
        '<svg class="chain" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="group" aria-label="{label}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" orient="auto" markerUnits="userSpaceOnUse" '
        'markerWidth="10" markerHeight="10">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>{lines}{boxes}</svg>'
    ).format(w=picture.width, h=picture.height, label=f"{len(stops)} jobs that follow one another", lines=drawn,
             boxes=boxes)  # fmt: skip


def _line(points: tuple[tuple[int, int], ...], when: str, *, strong: bool) -> Markup:
    (x, y), *rest = points
    path = f"M{x} {y}"
    for to_x, to_y in rest:
        path += f"L{to_x} {to_y}" if y == to_y else f"C{(x + to_x) // 2} {y} {(x + to_x) // 2} {to_y} {to_x} {to_y}"
        x, y = to_x, to_y
    kind = when + (" critical" if strong else "")
    return Markup('<path class="line {}" d="{}" marker-end="url(#tip)"/>').format(kind, path)


def _box(stop: Stop, x: int, y: int, *, here: bool) -> Markup:
    title = f"{stop.label}: {stop.look.word}" + (f", {say_ms(stop.usual)}" if stop.usual else "")
    return Markup(
        '<a href="{link}" aria-label="{title}"{here}><title>{title}</title><g class="stop {tone}{mark}">'
        '<rect x="{x}" y="{top}" width="{wide}" height="{tall}" rx="7"/>'
        '<rect class="edge" x="{x}" y="{top}" width="5" height="{tall}" rx="2"/>'
        '<text x="{text_x}" y="{name_y}">{label}</text><text class="sub" x="{text_x}" y="{sub_y}">{text}</text></g></a>'
    ).format(
        link=stop.link, title=title, here=Markup(' aria-current="true"') if here else "", tone=stop.look.tone,
        mark=" here" if here else "", x=x, top=y - TALL // 2, wide=WIDE, tall=TALL, text_x=x + 15, name_y=y - 3,
        sub_y=y + 14, label=_short(stop.label), text=stop.text,
    )  # fmt: skip


def _short(label: str) -> str:
    return label if len(label) <= _LETTERS + 1 else label[:_LETTERS] + "…"
