"""The page of the audit log: who changed what, and who was denied what."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlencode

from litestar import Response

from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import page
from dkronpy.web.places import place
from dkronpy.web.registry import LogRow
from dkronpy.web.render import render
from dkronpy.web.site import site_of

PAGE = 50
_SEARCHED = 1_000
OUTCOMES = ("done", "denied")
_ID = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_VERBS = {
    "run": "ran", "toggle": "switched", "delete": "deleted", "edit": "saved", "cancel": "cancelled", "pause": "paused",
    "resume": "resumed", "forget": "forgot", "bulk": "acted on several jobs", "revoke": "revoked", "drain": "drained",
    "undrain": "put back to work", "tokens": "made", "crontab": "took a crontab over", "examples": "made the examples",
    "new": "saved", "restore": "restored",
}  # fmt: skip
_METHODS = {"POST": "posted to", "PUT": "put", "PATCH": "changed", "DELETE": "deleted", "GET": "read"}


@page("/audit", action="govern")
def audit_log(request: AnyRequest) -> Response[Any]:
    """Entries, the newest first, filtered by what stands in the address."""
    asked = {name: request.query_params.get(name, "")[:200] for name in ("outcome", "who", "text", "before")}
    asked["outcome"] = asked["outcome"] if asked["outcome"] in OUTCOMES else "done"
    asked["before"] = asked["before"] if _ID.fullmatch(asked["before"]) else ""
    limit = _SEARCHED if asked["who"] or asked["text"] else PAGE + 1
    log = site_of(request).registry.log(outcome=asked["outcome"], limit=limit, before=asked["before"])
    found = [row for row in log if _fits(row, asked)]
    older = found[PAGE - 1].id if len(found) > PAGE else log[-1].id if len(log) == _SEARCHED else ""
    return render(
        request, "audit.html", section="settings", rows=found[:PAGE], asked=asked, outcomes=OUTCOMES, deed=deed,
        filtered=bool(asked["who"] or asked["text"]), older=_query({**asked, "before": older}) if older else "",
        newest=_query({**asked, "before": ""}) if asked["before"] else "",
    )  # fmt: skip


def _fits(row: LogRow, asked: dict[str, str]) -> bool:
    if asked["who"].lower() not in row.who.lower():
        return False
    return asked["text"].lower() in f"{row.job} {row.path} {row.detail} {row.address} {row.method}".lower()


def deed(row: LogRow) -> str:
    """What an entry speaks of, in a word where its address is one of ours."""
    last = unquote(row.path.rstrip("/").rpartition("/")[2])
    if row.method == "POST" and last in _VERBS:
        return _VERBS[last]
    if row.method == "POST" and row.job and row.path == f"/v1/jobs/{last}":  # as Dkron's clients start a run
        return _VERBS["run"]
    return _METHODS.get(row.method, row.method.lower())


def _query(values: dict[str, str]) -> str:
    kept = {name: value for name, value in values.items() if value and (name, value) != ("outcome", "done")}
    return place("/audit") + (f"?{urlencode(kept)}" if kept else "")


ROUTES = [audit_log]
