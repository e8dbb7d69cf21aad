"""The description of the API: what the framework knows of the routes, and what it cannot know of bodies and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Litestar

from dkronpy.api import shapes
from dkronpy.api.examples import EVENT, example_of, problem_example
from dkronpy.api.job_list import SORTS
from dkronpy.wire.backfill import BackfillOut
from dkronpy.wire.runs import RunOut

_JSON, _PROBLEM, _TEXT = "application/json", "application/problem+json", "text/plain"
_JOB = "/v1/jobs/{job}"
_POLICY = "/v1/acl/policies/{name}"

BODIES: Mapping[tuple[str, str], tuple[Any, str]] = {
    ("post", "/v1/jobs"): (shapes.JobBody, _JSON),
    ("patch", "/v1/jobs"): (shapes.JobBody, _JSON),
    ("put", _JOB): (shapes.JobBody, _JSON),
    ("post", "/v1/restore"): (shapes.File, "multipart/form-data"),
    ("post", _POLICY): (shapes.PolicyBody, _JSON),
    ("put", f"/api{_JOB}"): (shapes.JobBody, _JSON),
    ("post", "/api/v1/validate"): (shapes.JobBody, _JSON),
}
"""What a route takes, where it reads the body itself."""

ANSWERS: Mapping[tuple[str, str], Any] = {
    ("get", "/v1"): shapes.Summary,
    ("get", "/v1/jobs"): list[shapes.Job],
    ("post", "/v1/jobs"): shapes.Job,
    ("patch", "/v1/jobs"): shapes.Job,
    ("get", _JOB): shapes.Job,
    ("put", _JOB): shapes.Job,
    ("delete", _JOB): shapes.Job,
    ("post", _JOB): shapes.Job,
    ("post", f"{_JOB}/run"): shapes.Job,
    ("post", f"{_JOB}/toggle"): shapes.Job,
    ("get", f"{_JOB}/executions"): list[shapes.Record],
    ("delete", f"{_JOB}/executions"): shapes.Job,
    ("get", f"{_JOB}/executions/{{execution_id}}"): shapes.Record,
    ("get", "/v1/busy"): list[shapes.Record],
    ("get", "/v1/members"): list[shapes.Member],
    ("get", "/v1/leader"): shapes.Member,
    ("get", "/v1/isleader"): str,
    ("post", "/v1/leave"): dict[str, list[dict[str, Any]]],
    ("get", "/v1/pause"): shapes.Paused,
    ("post", "/v1/pause"): shapes.Paused,
    ("post", "/v1/unpause"): shapes.Paused,
    ("get", "/v1/stats"): shapes.Stats,
    ("post", "/v1/restore"): str,
    ("get", "/v1/acl/policies"): list[shapes.Policy],
    ("get", _POLICY): shapes.Policy,
    ("post", _POLICY): shapes.Policy,
    ("delete", _POLICY): shapes.Policy,
    ("get", "/health"): shapes.Health,
    ("get", "/debug/vars"): shapes.Variables,
    ("post", f"/api{_JOB}/backfill"): BackfillOut,
    ("get", f"/api{_JOB}"): shapes.Job,
    ("put", f"/api{_JOB}"): shapes.Job,
}
"""What a route that writes its answer itself says when all is well."""

TEXTS: Mapping[str, str] = {
    "/dkron.js": "text/javascript",
    "/metrics": _TEXT,
    "/api/v1/executions/{execution}/output": _TEXT,
    "/api/v1/executions/{execution}/follow": "text/event-stream",
    "/api/v1/events/follow": "text/event-stream",
    "/api/v1/backup": "application/x-ndjson",
}
"""What answers with something else than JSON."""
ALSO: Mapping[tuple[str, str], Sequence[str]] = {("post", f"/api{_JOB}/backfill"): ("text/event-stream",)}
"""What answers with something else than JSON where that is asked for."""
_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_FIELDS = ("fields", "Only these fields of the answer, or of each of its items: names with commas between them.")
_EXAMPLES: Mapping[str, Any] = {
    "limit": 20, "job": "report", "state": "failed", "before": "2026-11-26T02:30:00Z", "count": 5, "attempt": 1,
    "at": "2026-11-26T02:30:00Z", "zone": "Europe/Berlin", "wait": 3, "days": 7, "worst": 5, "why": "too noisy",
    "start": "2026-11-25T00:00:00Z", "end": "2026-11-26T00:00:00Z", "source": "config/jobs.py", "tag": "role=web",
    "revision": 3, "old": 2, "new": 3, "_sort": "name", "_order": "ASC", "_start": "0", "_end": "20", "q": "report",
    "status": "failed", "disabled": "false",
}  # fmt: skip
"""What a parameter may look like, by its name. One of ``fields`` would not answer in the shape that is described."""
_PRETTY = ("pretty", "Any value indents the answer.")
_ORDER = ("_order", "`ASC` or `DESC`.")
QUERIES: Mapping[tuple[str, str], Sequence[tuple[str, str]]] = {
    ("get", "/v1/jobs"): (
        ("metadata[key]", "Only jobs with this value below the key; repeatable."),
        ("q", "Part of the name or of the display name."),
        ("status", "`success`, `failed`, `partially_failed`, or `untriggered`."),
        ("disabled", "`true` or `false`."),
        ("_sort", f"One of {', '.join(SORTS)}."),
        _ORDER,
        ("_start", "The first of the page, from 0."),
        ("_end", "The one behind the last of the page."),
        _PRETTY,
    ),
    ("get", _JOB): (_PRETTY,),
    ("post", "/v1/jobs"): (("runoncreate", "Any value starts it at once."),),
    ("put", _JOB): (("runoncreate", "Any value starts it at once."),),
    ("get", f"{_JOB}/executions"): (
        ("_sort", "`id`, `started_at`, `finished_at` or `attempt`."),
        _ORDER,
        ("output_size_limit", "The last so many bytes of each output."),
    ),
    ("get", "/v1/stats"): (("days", "How many days, 30 unless said, 365 at most."),),
}
"""Query parameters that a route reads itself; all of them may be left out."""
HEADERS: Mapping[tuple[str, str], Sequence[tuple[str, str]]] = {
    **{
        (method, f"{before}{_JOB}"): (("If-Match", "The ETag of the revision to replace."),)
        for method in ("put", "delete")
        for before in ("", "/api")
    },
    ("post", "/v1/jobs"): (("If-Match", "The ETag of the revision to replace."),),
    ("get", f"/api{_JOB}"): (("If-None-Match", "An ETag; 304 where it still holds."),),
    **{
        ("post", path): (("Idempotency-Key", "Requests with the same key, within a day, start one run."),)
        for path in (_JOB, f"{_JOB}/run", f"/api{_JOB}/run")
    },
    ("post", f"/api{_JOB}/begin"): (("Idempotency-Key", "Requests with the same key, within a day, are one attempt."),),
    ("post", "/api/v1/pauses"): (("Idempotency-Key", "Requests with the same key, within a day, are one pause."),),
    ("post", "/api/v1/runs/{run}/rerun"): (("Idempotency-Key", "Requests with the same key start its runs once."),),
}
"""Headers that a route heeds; all of them may be left out."""
MORE: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("get", "/v1/leader"): {"500": None},
    ("get", "/v1/isleader"): {"404": str},
    ("get", "/health"): {"503": shapes.Health},
    ("put", f"/api{_JOB}"): {"201": shapes.Job},
    ("get", f"/api{_JOB}"): {"304": None},
    ("get", "/"): {"303": None, "404": None},
    ("post", f"/api{_JOB}/run"): {"200": RunOut},
    ("post", "/api/v1/channels/{name}/test"): {"502": shapes.ProblemDocument},
}
"""Further answers of a route."""
_PUBLIC = frozenset({"/", "/health", "/dkron.js"})
"""What asks for no token."""
_OUR_ERRORS = {
    "400": "The request cannot be read", "401": "A token is needed", "403": "This token may not do that",
    "413": "The body is too large", "422": "What was sent cannot be used", "429": "Too many failures from this address",
    "503": "The store is away, or submissions are paused",
}  # fmt: skip
_NAMED = {"404": "There is no such thing"}
_WRITING = {"409": "Somebody else changed it meanwhile, or it is in use", "412": "It is at another revision"}


def describe(app: Litestar) -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    kinds = [*ANSWERS.values(), *(kind for kind, _ in BODIES.values()), shapes.Message, shapes.ProblemDocument, RunOut]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    document["components"]["schemas"]["JobBody"]["examples"] = [shapes.EXAMPLE]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "responses" in operation:
                _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    key, responses = (method, path), operation["responses"]
    if key in BODIES:
        kind, media = BODIES[key]
        operation["requestBody"] = {"required": True, "content": {media: {"schema": _schema(kind)}}}
    good = next((status for status in responses if status.startswith("2")), "200")
    for status in [one for one in responses if one != good or path == "/"]:
        del responses[status]
    if path != "/":
        _answer(key, responses[good])
    _parameters(key, operation)
    if path in _PUBLIC:
        operation["security"] = []
    ours = path.startswith("/api/")
    for status, text in _errors(path, method).items():
        responses[status] = {"description": text, "content": _error(ours, int(status))}
    for status, kind in MORE.get(key, {}).items():
        told: dict[str, Any] = {} if kind is None else {"schema": _schema(kind)}
        if told and status.startswith("2"):
            told["example"] = example_of(path, told["schema"])
        content = {"content": {_JSON: told}} if told else {}
        responses[status] = {"description": "The other answer of this route", **content}


def _answer(key: tuple[str, str], answer: dict[str, Any]) -> None:
    """What is answered when all is well, with an example of it."""
    _, path = key
    if key in ANSWERS:
        answer["content"] = {_JSON: {"schema": _schema(ANSWERS[key])}}
    elif path in TEXTS:
        answer["content"] = {TEXTS[path]: {"schema": {"type": "string"}}}
    for told in answer.get("content", {}).values():
        told["example"] = example_of(path, told["schema"])
    for media in ALSO.get(key, ()):
        answer["content"][media] = {"schema": _EVENT, "example": EVENT}


def _parameters(key: tuple[str, str], operation: dict[str, Any]) -> None:
    """What the route reads itself, and what each parameter may look like."""
    method, path = key
    found: list[dict[str, Any]] = operation.setdefault("parameters", [])
    for place, named in (("query", QUERIES), ("header", HEADERS)):
        found += [_parameter(place, name, text) for name, text in named.get(key, ())]
    if path.startswith("/api/") and method == "get" and path not in TEXTS and path != "/api/v1/events":
        found.append(_parameter("query", *_FIELDS))
    for one in found:
        if one["in"] == "query" and one["name"] in _EXAMPLES:
            one["example"] = _EXAMPLES[one["name"]]


def _parameter(place: str, name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": text, "schema": {"type": "string"}}


def _errors(path: str, method: str) -> dict[str, str]:
    if path in {"/", "/health"}:
        return {"400": _OUR_ERRORS["400"]}
    writing = {} if method == "get" else _WRITING
    return _OUR_ERRORS | writing | (_NAMED if "{" in path or method != "get" else {})


def _error(ours: bool, status: int) -> dict[str, Any]:
    kind, media = (shapes.ProblemDocument, _PROBLEM) if ours else (shapes.Message, _JSON)
    told = {"schema": _schema(kind), "example": problem_example(status, ours=ours)}
    return {media: told, _TEXT: {"schema": {"type": "string"}}}


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return schema
