"""`dkronpy validate`, `dkronpy apply` and `dkronpy config`: the configuration, checked, saved and explained."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.acl import acl
from dkronpy.cli.failure import say
from dkronpy.cli.output import Column, Printer, data_options, write, write_json
from dkronpy.cli.session import Session, command, group, pass_session

if TYPE_CHECKING:
    from dkronpy.client import Client
    from dkronpy.config import LoadedConfig
    from dkronpy.job import Job

APPLY_COLUMNS = (Column(name="job"), Column(name="what"), Column(name="origin"), Column(name="revision", wide=True))
SETTING_COLUMNS = (
    Column(name="setting"),
    Column(name="value"),
    Column(name="source"),
    Column(name="environment", wide=True),
)
MASK = "***"
_SECRET = ("password", "secret_key", "token", "basic_auth")


@command(
    name="validate",
    short_help="Check a configuration without touching anything.",
    example="""
    dkronpy validate
    dkronpy validate config/jobs.py
    dkronpy validate -o json
    """,
)
@click.argument("path", required=False)
@click.option("-o", "--output", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@pass_session
def validate(session: Session, path: str | None, form: str) -> int:
    """Load every job of a configuration and print every problem with file, line, column and a hint.

    Needs no store and no network. Exit status 3 when there is a problem.
    """
    place = session.require_config(path)
    loaded, took_ms = _load(place)
    if form == "json":
        write_json({"jobs": [job.name for job in loaded.jobs], "problems": _problems(loaded)})
    else:
        write("".join(f"{problem}\n" for problem in loaded.problems))
    if loaded.problems:
        say(f"{_count(len(loaded.problems), 'problem')} in {place} ({took_ms:.0f} ms)")
        return 3
    if form != "json":
        write(f"{summary(loaded)} ({took_ms:.0f} ms)\n")
    return 0


@command(
    name="apply",
    short_help="Save the jobs of a configuration.",
    example="""
    dkronpy apply
    dkronpy apply config/ --dry-run
    dkronpy apply -o json
    """,
)
@click.argument("path", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@data_options()
@pass_session
def apply(session: Session, path: str | None, dry_run: bool, printer: Printer) -> int:
    """Save every job of a configuration. One problem anywhere, and nothing is saved.

    Jobs that are stored and not in the configuration stay as they are.
    """
    place = session.require_config(path)
    loaded, took_ms = _load(place)
    if loaded.problems:
        for problem in loaded.problems:
            say(str(problem))
        say(f"error: {_count(len(loaded.problems), 'problem')} in {place}; nothing was saved")
        return 3
    client = session.client
    rows = _apply(client, loaded, source_name(place), dry_run=dry_run)
    printer.rows(APPLY_COLUMNS, rows)
    if printer.for_people:
        counts = {what: sum(row["what"] == what for row in rows) for what in ("created", "changed", "unchanged")}
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no jobs"
        say(f"{summary(loaded)} ({took_ms:.0f} ms): {said}{' (dry run: nothing was saved)' if dry_run else ''}")
    return 0


@group()
def config() -> None:
    """Show every setting and where it came from; print the ACL of a role."""


@command(
    name="show",
    short_help="Show every setting and where it came from.",
    example="""
    dkronpy config show
    dkronpy config show lease node_tags
    dkronpy config show -o json
    """,
)
@click.argument("names", nargs=-1)
@data_options()
@pass_session
def show(session: Session, names: tuple[str, ...], printer: Printer) -> None:
    """Show every setting, its value with secrets masked, and where the value came from."""
    from dkronpy.schedule.problems import did_you_mean
    from dkronpy.settings import env_name, setting_names

    settings, sources = session.loaded
    for name in names:
        if name not in setting_names():
            hint = did_you_mean(name, setting_names()) or "`dkronpy config show -o name` names them all"
            raise click.UsageError(f"there is no setting {name!r}; {hint}")
    rows = [
        {
            "setting": name,
            "value": shown_value(name, getattr(settings, name)),
            "source": str(sources[name]),
            "environment": env_name(name),
        }
        for name in names or setting_names()
    ]
    printer.rows(SETTING_COLUMNS, rows)


config.add_command(show)
config.add_command(acl)


def source_name(place: str) -> str:
    """Who owns the jobs of a configuration: the name of its folder, or of the file or module."""
    path = Path(place)
    if path.is_file() and path.parent.resolve().name:
        return path.parent.resolve().name
    return path.resolve().name if path.exists() else place


def summary(loaded: LoadedConfig) -> str:
    """``11 jobs in 1 file``."""
    return f"{_count(len(loaded.jobs), 'job')} in {_count(len(loaded.files), 'file')}"


def shown_value(name: str, value: Any) -> str:
    """A setting's value as text, without what is secret in it."""
    from datetime import timedelta

    from dkronpy.schedule.durations import format_duration
    from dkronpy.settings_notify import concealed

    value = concealed(name, value)
    if name.endswith("_url") and value:
        return mask_url(value)
    if any(word in name for word in _SECRET) and value:
        return MASK
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, dict):
        return ",".join(f"{key}={text}" for key, text in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def mask_url(url: str) -> str:
    """The URL without its password, wherever it stands."""
    from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

    parts = urlsplit(url)
    if parts.password:
        parts = parts._replace(netloc=f"{parts.username or ''}:{MASK}@{parts.netloc.rpartition('@')[2]}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any("password" in key.lower() for key, _ in query):
        hidden = [(key, MASK if "password" in key.lower() else value) for key, value in query]
        parts = parts._replace(query=urlencode(hidden, safe="*/"))
    return urlunsplit(parts)


def _load(place: str) -> tuple[LoadedConfig, float]:
    """A configuration and how many milliseconds loading took."""
    from dkronpy.config import load_jobs

    began = time.perf_counter()
    loaded = load_jobs(place)
    return loaded, (time.perf_counter() - began) * 1000


def _apply(client: Client, loaded: LoadedConfig, source: str, *, dry_run: bool) -> list[dict[str, Any]]:
    stored = {view.job.name: view.stored for view in client.jobs()}
    rows = []
    for job in _parents_first(loaded.jobs):
        old = stored.get(job.name)
        if old is not None and old.source not in ("", source):
            say(f"{job.name} was saved by {old.source!r} before; it now belongs to {source!r}")
        if dry_run:
            what, revision = _would(job, old.job if old else None), old.revision if old else 0
        else:
            saved = client.save_job(job, source=source)
            what, revision = saved.what, saved.revision
        rows.append({"job": job.name, "what": what, "origin": loaded.origins.get(job.name, ""), "revision": revision})
    return rows


def _would(job: Job, old: Job | None) -> str:
    from dkronpy.job_json import encode_definition

    if old is None:
        return "created"
    return "unchanged" if encode_definition(job) == encode_definition(old) else "changed"


def _parents_first(jobs: Iterable[Job]) -> list[Job]:
    """Jobs in an order in which each comes after those that it follows; there are no circles in a checked config."""
    waiting = {job.name: job for job in jobs}
    ordered: list[Job] = []
    while waiting:
        ready = [job for job in waiting.values() if not any(parent in waiting for parent in job.after)]
        ordered += [waiting.pop(job.name) for job in ready or list(waiting.values())]
    return ordered


def _problems(loaded: LoadedConfig) -> list[dict[str, Any]]:
    return [
        {
            "file": problem.place.file,
            "line": problem.place.line,
            "column": problem.place.column,
            "job": problem.job,
            "field": problem.field,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in loaded.problems
    ]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
