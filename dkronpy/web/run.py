"""One run: what became of it and why, its executions and attempts, its output; cancel it, run the job again."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response
from litestar.params import FromPath
from markupsafe import Markup

from dkronpy.client import RunView
from dkronpy.errors import NotFoundError
from dkronpy.execution import Execution, Run
from dkronpy.marks import STDERR, Marks
from dkronpy.web.board import figures
from dkronpy.web.chains import picture_of_runs
from dkronpy.web.door import AnyRequest
from dkronpy.web.endings import last_line
from dkronpy.web.gantt import gantt
from dkronpy.web.handlers import PageError, form, number_of, page, see_other
from dkronpy.web.job_run import given_to, written
from dkronpy.web.log_html import LogHtml
from dkronpy.web.places import run_place
from dkronpy.web.render import HEADERS, render
from dkronpy.web.site import Site, Viewer, site_of, viewer_of
from dkronpy.web.states import is_trouble
from dkronpy.why import why_run

SHOWN = 64 * 1024
"""Bytes of output that a page begins with, its last ones; the file has them all."""
_WRONG = frozenset({"failed", "partially_failed"})
_LEAST = 2
"""Jobs that make a chain."""
_TROUBLE = {"failed": 0, "lost": 1, "running": 2, "retry_wait": 3, "queued": 4}


@page("/runs/{run:str}")
def show(request: AnyRequest, run: FromPath[str]) -> Response[Any]:
    """The page of a run."""
    site, viewer = site_of(request), viewer_of(request)
    view = site.client.run(run)
    execution = _chosen(view, request.query_params.get("execution", ""))
    number = _attempt(execution, request.query_params.get("attempt", ""))
    history, known = site.board.history(view.run.job), site.board.jobs().get(view.run.job)
    return render(
        request,
        "run.html",
        section="runs",
        run=view.run,
        executions=view.executions,
        why=why_run(view.run, view.executions, viewer.zone),
        chosen=execution,
        number=number,
        pinned="attempt" in request.query_params,
        log=_log(site, execution, number, viewer.zone),
        usual=figures(history),
        gantt=gantt(view.executions, viewer.now_ms),
        last_line=_last_line(site, execution, number) if view.run.state in _WRONG else "",
        alike=_alike(view.run, history),
        **_chain(site, viewer, view.run),
        flower=site.flower_task(execution.id) if execution is not None else "",
        neighbours=_neighbours(view.run, history),
        exists=known is not None,
        takes_params=known is not None and bool(known.job.params),
        given={name: written(value) for name, value in given_to(view.run).items()},
    )


def _chosen(view: RunView, asked: str) -> Execution | None:
    """The execution whose output is shown: the one that was asked for, else the one that most needs a look."""
    if not view.executions:
        return None
    if 0 <= (index := number_of(asked, -1)) < len(view.executions):
        return view.executions[index]
    return min(view.executions, key=lambda one: _TROUBLE.get(one.state, 9))


def _attempt(execution: Execution | None, asked: str) -> int:
    last = execution.attempt if execution else 0
    number = number_of(asked)
    return number if 1 <= number <= last else last


def _log(site: Site, execution: Execution | None, number: int, zone: ZoneInfo) -> dict[str, Any]:
    """What is known of the output: its last part as HTML, where it ends in bytes, and whether more may come."""
    if execution is None or not number:
        return {"html": "", "size": 0, "live": False, "times": False, "stderr": False}
    output = site.client.output(execution, number)
    marks, (_, tail) = Marks.decode(output.marks), output.pieces()
    begin = max(0, output.size - SHOWN) if output.omitted <= 0 or len(tail[1]) >= SHOWN else 0
    whole = tail[1] if output.omitted > 0 else output.head + tail[1]
    if begin:  # a line that is cut in two tells nobody anything
        kept = whole[-SHOWN:]
        begin += kept.find(b"\n") + 1
    html = LogHtml(begin, zone)
    pieces = "".join(html.piece(offset, data, marks) for offset, data in output.pieces()) + html.end()
    live = execution.state == "running" and number == execution.attempt
    return {
        "html": Markup(pieces),  # noqa: S704 - all of it was escaped
        "size": output.size,
        "cut": begin,
        "times": bool(marks.marks) or live,
        "grain_ms": marks.grain_ms,
        "stderr": html.stderr,
        "had_stderr": any(mark.stream == STDERR for mark in marks.marks),
        "live": live,
    }


def _chain(site: Site, viewer: Viewer, run: Run) -> dict[str, Any]:
    """The chain that the run belongs to as a picture, and whether something of it can be run again."""
    views = viewer.seen(site.board.jobs())
    if run.job not in views or not (views[run.job].job.after or views[run.job].state.dependent_jobs):
        return {"chain": None, "chain_failed": False}
    links = [link for link in site.client.run_tree(run.id) if link.job in views]
    runs = [link.run for link in links if link.run is not None]
    if len(links) < _LEAST:
        return {"chain": None, "chain_failed": False}
    failed = all(one.terminal for one in runs) and any(is_trouble(one.state, one.reason) for one in runs)
    return {"chain": picture_of_runs(links, views, run.job), "chain_failed": failed}


def _last_line(site: Site, execution: Execution | None, number: int) -> str:
    """The last thing that an attempt printed, which often says what went wrong."""
    if execution is None or not number:
        return ""
    return last_line(site.client.output(execution, number).text())


def _alike(run: Run, history: tuple[Run, ...]) -> int:
    """How many other known runs of the job ended for the same reason, with the same words."""
    if not run.reason:
        return 0
    return sum(one.id != run.id and (one.reason, one.message) == (run.reason, run.message) for one in history)


def _neighbours(run: Run, history: tuple[Run, ...]) -> dict[str, str]:
    """The runs of the same job before and after this one."""
    ids = [one.id for one in history]
    if run.id not in ids:
        return {}
    at = ids.index(run.id)
    found = {}
    if at + 1 < len(ids):
        found["before"] = ids[at + 1]
    if at > 0:
        found["after"] = ids[at - 1]
    return found


@page("/runs/{run:str}/output/{index:int}/{attempt:int}")
def download(request: AnyRequest, run: FromPath[str], index: FromPath[int], attempt: FromPath[int]) -> Response[bytes]:
    """All output that is kept of an attempt, as a file."""
    site = site_of(request)
    view = site.client.run(run)
    if not 0 <= index < len(view.executions) or attempt < 1:
        raise NotFoundError(f"run {run!r} has no attempt {attempt} of execution {index}")
    text = site.client.output(view.executions[index], attempt).text()
    name = f"{view.run.job}-{index}-{attempt}.log"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    body = text.encode("utf-8", "replace")
    return Response(body, headers=headers, media_type="text/plain")


@form("/runs/{run:str}/cancel", action="operate")
def cancel(request: AnyRequest, run: FromPath[str]) -> Response[Any]:
    """End what is open of it."""
    viewer = viewer_of(request)
    site_of(request).client.cancel_run(run, by=viewer.who)
    return see_other(run_place(run, "?done=cancelled"))


@form("/runs/{run:str}/rerun", action="operate")
def rerun(request: AnyRequest, run: FromPath[str]) -> Response[Any]:
    """Run the chain again from what failed on, and look at the first of the new runs."""
    site, viewer = site_of(request), viewer_of(request)
    for link in site.client.run_tree(run):
        viewer.require_sight(link.job)
        if not viewer.may("operate", link.job):
            raise PageError(403, f"you may not run {link.job}")
    started = site.client.rerun(run, by=viewer.who)
    return see_other(run_place(started[0].run.id, "?done=started"))


ROUTES = [show, download, cancel, rerun]
