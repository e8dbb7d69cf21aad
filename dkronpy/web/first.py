"""The first minute: three example jobs, and a crontab that becomes jobs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response

from dkronpy.importers.crontab import is_system, read_crontab
from dkronpy.job import Job, Run
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, see_other, text_of
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.sentences import briefly
from dkronpy.web.site import Viewer, site_of, viewer_of

MOST_LINES = 500
_LEFT_OUT = "left out: "


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a crontab as a job, what is otherwise than under cron, and what is wrong with it where it is none."""

    number: int
    text: str
    job: Job | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""


def examples() -> list[Job]:
    """Three jobs that do no harm anywhere."""
    return [
        Job(
            name="hello",
            schedule="@every 30s",
            run=Run("shell", {"command": "echo hello from $DKRONPY_NODE", "shell": "true"}),
            doc="Says hello every half minute.",
        ),
        Job(
            name="count-to-twenty",
            schedule="@every 2m",
            run=Run("shell", {"command": "for n in $(seq 20); do echo line $n; sleep 1; done", "shell": "true"}),
            concurrency="forbid",
            timeout="1m",
            doc="Takes twenty seconds, so that there is output to follow.",
        ),
        Job(
            name="weekly-report",
            schedule="0 30 6 * * MON",
            run=Run("shell", {"command": "date", "shell": "true"}),
            doc="Due on Monday mornings; run it by hand to see it before.",
        ),
    ]


@form("/examples", action="edit")
def make_examples(request: AnyRequest) -> Response[Any]:
    """Save the example jobs that are not there yet."""
    site, viewer = site_of(request), viewer_of(request)
    known = site.board.jobs()
    wanted = [job for job in examples() if job.name not in known]
    _require(viewer, wanted)
    for job in wanted:
        site.client.save_job(job, by=viewer.who, why="an example")
    return see_other(place("/?done=saved"))


@form("/crontab", action="edit")
def crontab(request: AnyRequest) -> Response[Any]:
    """Show what the lines of a crontab would become; save it once somebody has seen that."""
    site, viewer = site_of(request), viewer_of(request)
    text, zone = text_of(request, "crontab", 200_000), text_of(request, "zone", 100)
    lines = crontab_lines(text, zone=zone, taken=site.board.jobs())
    good = [line.job for line in lines if line.job is not None]
    if text_of(request, "what") != "save" or not good:
        return render(
            request, "crontab.html", section="jobs", lines=lines, text=text, zone=zone, good=len(good), words=_words
        )
    _require(viewer, good)
    for job in good:
        site.client.save_job(job, revision=0, by=viewer.who, why="out of a crontab")
    return see_other(place("/jobs?done=saved"))


def _require(viewer: Viewer, jobs: Iterable[Job]) -> None:
    """Raises PageError where some of the jobs may not be saved."""
    denied = [job.name for job in jobs if not viewer.may("edit", job.name)]
    if denied:
        raise PageError(403, f"you may not save {', '.join(denied[:5])}")


def crontab_lines(text: str, *, zone: str = "", taken: Iterable[str] = ()) -> list[Line]:
    """The lines of a crontab, a user's or the system's, that became a job or of which there is something to say."""
    rows = text.splitlines()[:MOST_LINES]
    kept = "\n".join(rows)
    found = read_crontab(kept, zone=zone, taken=taken, system=is_system(Path(), kept))
    jobs = {found.places[job.name]: job for job in found.jobs}
    said: dict[str, list[str]] = {}
    for loss in found.losses:
        said.setdefault(loss.where, []).append(loss.what)
    lines = []
    for number, row in enumerate(rows, 1):
        where = f"line {number}"
        notes = said.get(where, [])
        problem = next((note.removeprefix(_LEFT_OUT) for note in notes if note.startswith(_LEFT_OUT)), "")
        if where in jobs or notes:
            lines.append(
                Line(
                    number=number,
                    text=row.strip(),
                    job=jobs.get(where),
                    notes=tuple(note for note in notes if not note.startswith(_LEFT_OUT)),
                    problem=problem,
                )
            )
    return lines


def _words(job: Job) -> str:
    return briefly(job, job.parsed_schedule(), job.timezone)


ROUTES = [make_examples, crontab]
