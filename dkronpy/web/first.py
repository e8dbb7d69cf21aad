"""The first minute: three example jobs, and a crontab that becomes jobs."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Response

from dkronpy.config.check import full_check
from dkronpy.errors import DkronpyError
from dkronpy.job import Job, Run
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, see_other, text_of
from dkronpy.web.places import place
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

MOST_LINES = 500
_SETTING = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
_NAME = re.compile(r"[^a-z0-9]+")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a crontab as a job, or what is wrong with it."""

    number: int
    text: str
    job: Job | None = None
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
    site = site_of(request)
    known = site.board.jobs()
    for job in examples():
        if job.name not in known:
            site.client.save_job(job, by=viewer_of(request).who, why="an example")
    return see_other(place("/?done=saved"))


@form("/crontab", action="edit")
def read_crontab(request: AnyRequest) -> Response[Any]:
    """Show what the lines of a crontab would become; save it once somebody has seen that."""
    site, viewer = site_of(request), viewer_of(request)
    text, zone = text_of(request, "crontab", 200_000), text_of(request, "zone", 100)
    lines = crontab_jobs(text, zone=zone, taken=set(site.board.jobs()))
    good = [line.job for line in lines if line.job is not None]
    if text_of(request, "what") != "save" or not good:
        return render(request, "crontab.html", section="jobs", lines=lines, text=text, zone=zone, good=len(good))
    denied = [job.name for job in good if not viewer.may("edit", job.name)]
    if denied:
        raise PageError(403, f"you may not save {', '.join(denied[:5])}")
    for job in good:
        site.client.save_job(job, revision=0, by=viewer.who, why="out of a crontab")
    return see_other(place("/jobs?done=saved"))


def crontab_jobs(text: str, *, zone: str = "", taken: set[str] | None = None) -> list[Line]:
    """Each line of a user's crontab that names a time, as a job that runs its command with a shell.

    Settings count for the lines after them; ``CRON_TZ`` names the zone, others become the job's environment.
    """
    names, environment, found = set(taken or ()), {}, []
    for number, line in enumerate(text.splitlines()[:MOST_LINES], 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        setting = _SETTING.match(stripped)
        if setting:
            environment[setting[1]] = setting[2].strip().strip("\"'")
            continue
        found.append(_line(number, stripped, environment.get("CRON_TZ", zone), environment, names))
    return found


def _line(number: int, text: str, zone: str, environment: dict[str, str], names: set[str]) -> Line:
    words = text.split(None, 1) if text.startswith("@") else text.split(None, 5)
    if len(words) < (2 if text.startswith("@") else 6):
        return Line(number=number, text=text, problem="it needs five fields and a command")
    schedule, command = " ".join(words[:-1]), words[-1]
    if schedule == "@reboot":
        return Line(number=number, text=text, problem="@reboot has no counterpart: start it with the machine")
    name = _name(command, names)
    config: dict[str, Any] = {"command": command.replace("\\%", "%"), "shell": "true"}
    kept = {key: value for key, value in environment.items() if key not in {"CRON_TZ", "MAILTO", "SHELL"}}
    if kept:
        config["env"] = ",".join(f"{key}={value}" for key, value in kept.items())
    job = Job(
        name=name, schedule=schedule, timezone=zone, run=Run("shell", config), doc=f"From a crontab: {text[:200]}"
    )
    try:
        problems = full_check(job)
    except DkronpyError as error:
        return Line(number=number, text=text, problem=str(error))
    if problems:
        return Line(number=number, text=text, problem="; ".join(str(problem) for problem in problems[:3]))
    names.add(name)
    return Line(number=number, text=text, job=job)


def _name(command: str, taken: set[str]) -> str:
    """A name out of the program that is run."""
    program = command.split(maxsplit=1)[0].rpartition("/")[2] if command.split() else "job"
    name = _NAME.sub("-", program.lower()).strip("-")[:40] or "job"
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


ROUTES = [make_examples, read_crontab]
