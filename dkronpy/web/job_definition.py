"""The definition of a job: what is in force, what it was before, what changed, and the way back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from litestar import Response
from litestar.params import FromPath

from dkronpy.errors import ConflictError, InvalidError, NotFoundError
from dkronpy.store.revisions import Revision
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import PageError, form, number_of, page, see_other, text_of
from dkronpy.web.job_head import definition_of, head, is_managed
from dkronpy.web.places import job_place
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

SHOWN = 50


@page("/jobs/{job:str}/definition")
def show(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The definition of a job, its revisions, and what one of them changed."""
    site = site_of(request)
    known = head(request, job, site.client.runs(job=job, limit=1))
    revisions = [one for one in site.client.job_history(job) if one.job is not None][:SHOWN]
    new = _chosen(revisions, request.query_params.get("new", ""), 0)
    old = _chosen(revisions, request.query_params.get("old", ""), revisions.index(new) + 1 if new else 1)
    differs = old is not None and new is not None and old.number != new.number
    changes = site.client.job_diff(job, old.number, new.number) if old and new and differs else ()
    return render(
        request, "job_definition.html", section="jobs", **known, tab="definition", revisions=revisions, old=old,
        new=new, changes=changes, written=_written, definition=definition_of(known["view"]),
    )  # fmt: skip


def _chosen(revisions: Sequence[Revision], asked: str, usual: int) -> Revision | None:
    number = number_of(asked, -1)
    found = next((one for one in revisions if one.number == number), None)
    return found or (revisions[usual] if usual < len(revisions) else None)


def _written(value: Any) -> str:
    """A value of a field, as the definition writes it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@form("/jobs/{job:str}/rollback", action="edit")
def rollback(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Put an earlier revision in force again."""
    site, viewer = site_of(request), viewer_of(request)
    view = site.client.job(job)
    if is_managed(view):
        raise PageError(409, f"{job} comes from {view.stored.source}", hint="change it there, and apply")
    number = text_of(request, "revision", 10)
    if not number.isdecimal():
        raise PageError(400, f"{number!r} is no revision")
    try:
        saved = site.client.rollback_job(job, int(number), by=viewer.who)
    except (ConflictError, InvalidError, NotFoundError) as error:
        raise PageError(409, str(error), hint=str(getattr(error, "hint", "") or "")) from None
    viewer.door.note(request, f"{job} back to revision {number}, now revision {saved.revision}")
    return see_other(job_place(job, "/definition?done=" + ("unchanged" if saved.what == "unchanged" else "saved")))


ROUTES = [show, rollback]
