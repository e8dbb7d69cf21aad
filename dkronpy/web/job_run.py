"""Starting a job by hand: with one click, or with a form where it takes parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath

from dkronpy.errors import InvalidError, Problem
from dkronpy.execution import Run
from dkronpy.job import Job
from dkronpy.job.param import LONGEST, Param
from dkronpy.web.door import AnyRequest
from dkronpy.web.handlers import fields_of, form, page, see_other
from dkronpy.web.places import job_place, run_place
from dkronpy.web.render import render
from dkronpy.web.site import site_of, viewer_of

PREFIX = "param."
"""What stands before the name of a parameter in the name of its field."""
_KEYBOARD = {"integer": "numeric", "number": "decimal"}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter as a field of the form: what stands in it, what may, and what is wrong with it."""

    name: str
    value: str
    doc: str
    rules: str
    choices: tuple[str, ...] = ()
    keyboard: str = "text"
    needed: bool = False
    problem: str = ""

    @property
    def id(self) -> str:
        """The field's name in the form and on the page."""
        return PREFIX + self.name


@page("/jobs/{job:str}/run", action="operate")
def ask(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """The form; ``like`` names a run whose values it begins with."""
    site = site_of(request)
    found = site.client.job(job).job
    if not found.params:
        return see_other(job_place(job))
    like = request.query_params.get("like", "")
    given = given_to(site.client.run(like).run) if like.startswith(f"{job}@") else {}
    return _form(request, found, {name: written(value) for name, value in given.items()})


@form("/jobs/{job:str}/run", action="operate")
def run(request: AnyRequest, job: FromPath[str]) -> Response[Any]:
    """Start it now, and look at the run; where a value does not fit, say so beside it and keep what was typed."""
    client, typed = site_of(request).client, _typed(request)
    found = client.job(job).job
    try:
        started = client.run_job(job, by=viewer_of(request).who, params=chosen(found.params, typed))
    except InvalidError as error:
        return _form(request, found, typed, error.problems)
    return see_other(run_place(started.run.id))


def _typed(request: AnyRequest) -> dict[str, str]:
    """What stands in the form, as it was typed: blanks may be part of a value."""
    return {
        name[len(PREFIX) :]: value[: LONGEST + 1]
        for name, value in fields_of(request).items()
        if name.startswith(PREFIX) and isinstance(value, str)
    }


def chosen(params: Mapping[str, Param], typed: Mapping[str, str]) -> dict[str, str]:
    """What somebody gives the run: what is not its default, or left empty where there is none."""
    return {
        name: value for name, value in typed.items() if name not in params or value != written(params[name].default)
    }


def given_to(run: Run) -> dict[str, Any]:
    """The values that a run was given; its other parameters had their defaults."""
    values: dict[str, Any] = msgspec.json.decode(run.params) if run.params else {}
    return values


def written(value: Any) -> str:
    """A value as people type it; '' for none."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _form(
    request: AnyRequest, job: Job, typed: Mapping[str, str], problems: tuple[Problem, ...] = ()
) -> Response[bytes]:
    wrong = {one.field.removeprefix("params."): one for one in problems}
    return render(
        request, "run_job.html", 422 if problems else 200, section="jobs", job=job,
        fields=[_field(name, param, typed, wrong) for name, param in job.params.items()],
        others=[one for name, one in wrong.items() if name not in job.params],
    )  # fmt: skip


def _field(name: str, param: Param, typed: Mapping[str, str], wrong: Mapping[str, Problem]) -> Field:
    choices = tuple(map(written, param.choices)) or (("true", "false") if param.type == "boolean" else ())
    return Field(
        name=name, value=typed.get(name, written(param.default)), doc=param.doc, rules=rules_of(param), choices=choices,
        keyboard=_KEYBOARD.get(param.type, "text"), needed=param.default is None,
        problem=wrong[name].message if name in wrong else "",
    )  # fmt: skip


def rules_of(param: Param) -> str:
    """What fits, in words: ``integer, from 1 to 90; 7 unless said``."""
    words: list[str] = [param.type]
    if param.minimum is not None and param.maximum is not None:
        words.append(f"from {param.minimum:g} to {param.maximum:g}")
    elif param.minimum is not None:
        words.append(f"at least {param.minimum:g}")
    elif param.maximum is not None:
        words.append(f"at most {param.maximum:g}")
    if param.pattern:
        words.append(f"all of it matches {param.pattern}")
    default = written(param.default)
    return ", ".join(words) + ("; needed" if param.default is None else f"; {default or 'empty'} unless said")


ROUTES = [ask, run]
