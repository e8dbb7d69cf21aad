"""Templates in the options of plugins: ``{{ job.name }}``, ``{{ due.isoformat() }}``, rendered on the node.

The language is Jinja's, cut down to what has an end: expressions, ``if``, a few filters and methods. Without loops,
macros, assignments and multiplication, what a template costs is bounded by its own length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError, InvalidError, Problem
from dkronpy.job.admission import LONGEST_KEY
from dkronpy.plugins.options import PREFIX, Options
from dkronpy.plugins.template_names import NAMES
from dkronpy.plugins.values import as_secret, shown
from dkronpy.secret import Secret

if TYPE_CHECKING:
    from dkronpy.job import Job

OptionsT = TypeVar("OptionsT", bound=Options)
# `docker ps --format '{{.Names}}'`: Go's templates begin with a dot, a variable, or a word before either.
_OUR_NAME = rf"(?:{'|'.join(NAMES)})\b"
_FOREIGN = re.compile(rf"\{{\{{-?\s*(?:(?!{_OUR_NAME})[a-z]+\s+)?[.$]")
_OURS = re.compile(rf"\{{[{{%][^}}]*?\b{_OUR_NAME}")


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a template sees of the job; as text it is the job's name."""

    name: str
    display_name: str = ""
    owner: str = ""
    owner_email: str = ""
    timezone: str = ""
    metadata: Mapping[str, str] = {}

    def __str__(self) -> str:
        return self.name


class ParentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a template sees of a job that this one follows; as text it is the state of its run.

    ``result`` is what a callable returned, ``output`` what was printed, ``exit_code`` its exit or HTTP status.
    """

    run_id: str
    state: str
    reason: str = ""
    exit_code: int | None = None
    result: Any = None
    output: str = ""

    def __str__(self) -> str:
        return self.state


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a template may speak of; ``due`` is in UTC, ``attempt`` counts from 1."""

    job: JobFacts
    due: datetime
    node: str
    attempt: int
    run_id: str
    execution_id: str
    params: Mapping[str, Any] = {}
    parents: Mapping[str, Any] = {}
    """``ParentFacts`` of the jobs that it follows, by name."""


class _Any(str):
    """A value that is known on the node only: text, a number and a table at once, to check templates with."""

    __slots__ = ()

    def __getattr__(self, name: str) -> _Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self


def job_facts(job: Job) -> JobFacts:
    """What templates see of *job*."""
    return JobFacts(
        name=job.name,
        display_name=job.display_name,
        owner=job.owner,
        owner_email=job.owner_email,
        timezone=job.timezone,
        metadata=job.metadata,
    )


def sample_facts(job: Job) -> Facts:
    """Facts as a node would have them, to check a job's templates with when it is saved.

    Parameters are known only when a run starts; each stands for ``1`` here, which can be text, a number or a duration.
    """
    due = datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc)
    run_id = f"{job.name}@2026-11-23T02:30:00.000Z"
    return Facts(
        job=job_facts(job),
        due=due,
        node="node1",
        attempt=1,
        run_id=run_id,
        execution_id=f"{run_id}.0",
        params=_sample_params(job),
        parents={parent: _Any("1") for parent in job.after if isinstance(parent, str)},
    )


def _sample_params(job: Job) -> dict[str, Any]:
    """A value for each of the job's parameters: its default, or what can be text and number at once."""
    params: Any = job.params if isinstance(job.params, Mapping) else {}
    return {name: _Any("1") if getattr(one, "default", None) is None else one.default for name, one in params.items()}


def speaks_of(config: Mapping[str, Any], name: str) -> bool:
    """Whether any template in *config* names one of ``NAMES``."""
    word = re.compile(rf"\b{name}\b")
    return any(word.search(text) for text in _templates(config))


def concurrency_key(job: Job, run_id: str, due_ms: int, params: Mapping[str, Any], *, strict: bool = False) -> str:
    """What the key of *job* comes to for a run; it may speak of ``job``, ``due``, ``run_id`` and ``params``.

    One that cannot be rendered counts as none, so that rather too little runs at once than too much; *strict* raises
    ConfigError instead.
    """
    if not is_template(job.concurrency_key):
        return job.concurrency_key
    from dkronpy.plugins._jinja import TemplateError, render_text

    try:
        defaults = {name: param.default for name, param in job.params.items() if not strict}
        facts = {"job": job_facts(job), "due": from_ms(due_ms), "run_id": run_id, "params": {**defaults, **params}}
        return render_text(job.concurrency_key, facts)[:LONGEST_KEY]
    except TemplateError:
        if strict:
            raise
        return ""


def key_problems(job: Job) -> Iterator[Problem]:
    """What is wrong with the template of a job's concurrency key."""
    try:
        if isinstance(job.concurrency_key, str):
            concurrency_key(job, "", 0, _sample_params(job), strict=True)
    except ConfigError as error:
        yield Problem("concurrency_key", job.concurrency_key, f"it cannot be rendered: {error}", error.hint)


def is_template(text: str) -> bool:
    """Whether *text* is rendered; Go's templates, which Dkron jobs hand to other programs, are left alone."""
    return ("{{" in text or "{%" in text) and _FOREIGN.search(text) is None


def has_templates(config: Mapping[str, Any] | Options) -> bool:
    """Whether any text in *config*, as JSON or as options, is a template."""
    if isinstance(config, Mapping):
        values = list(config.values())
    else:
        values = [getattr(config, name) for name in config.__struct_fields__]
    return any(is_template(one) if isinstance(one, str) else any(_templates(one)) for one in values if one)


def render_options(kind: type[OptionsT], config: Mapping[str, Any], facts: Facts, *, job: str = "") -> OptionsT:
    """The options that *config* stands for, with the templates in its texts rendered.

    Text that stands for a table or a list (``env`` as ``A=1,B=2``) is taken apart first, so that a value cannot
    become more than one item. References to secrets stay references. Raises InvalidError that names every template
    that cannot be used, or else as ``Options.from_config`` does.
    """
    if not has_templates(config):
        return kind.from_config(config, job=job)
    problems: list[Problem] = []
    cures = kind.verbatim(config)
    rendered: dict[str, Any] = {}
    for key, value in kind.structured(config).items():
        if key in cures:
            rendered[key] = value
            problems += _refused(key, value, cures[key])
        else:
            rendered[key] = _rendered(value, PREFIX + key, facts, problems)
    if problems:
        raise InvalidError(job or kind.plugin, problems)
    return kind.from_config(rendered, job=job)


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if is_template(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _templates(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _templates(item)
    elif isinstance(value, Options):
        for name in value.__struct_fields__:
            yield from _templates(getattr(value, name))


def _refused(key: str, value: Any, cure: str) -> Iterator[Problem]:
    """A template where none may be pasted in. Braces that do not name anything of ours are some program's own."""
    for text in _templates(value):
        if _OURS.search(text):
            yield Problem(PREFIX + key, text, f"{shown(text)} has a template, which is not rendered here", cure)


def _rendered(value: Any, field: str, facts: Facts, problems: list[Problem]) -> Any:
    if isinstance(value, str) and is_template(value):
        from dkronpy.plugins._jinja import TemplateError, render_text

        try:
            return render_text(value, {name: getattr(facts, name) for name in NAMES})
        except TemplateError as error:
            problems.append(Problem(field, value, f"{shown(value)} cannot be rendered: {error}", error.hint))
            return value
    if isinstance(as_secret(value), Secret):
        return value
    if isinstance(value, Mapping):
        return {key: _rendered(item, f"{field}.{key}", facts, problems) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rendered(item, f"{field}[{index}]", facts, problems) for index, item in enumerate(value)]
    return value
