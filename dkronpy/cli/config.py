"""`dkronpy validate` and `dkronpy config`: the configuration, checked and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.acl import acl
from dkronpy.cli.configuration import counted, load, summary, unknown_channels
from dkronpy.cli.failure import say
from dkronpy.cli.output import Column, Printer, data_options, write, write_json
from dkronpy.cli.session import Session, command, group, pass_session

if TYPE_CHECKING:
    from dkronpy.config import LoadedConfig

SETTING_COLUMNS = (
    Column(name="setting"),
    Column(name="value"),
    Column(name="source"),
    Column(name="environment", wide=True),
)
MASK = "***"
_SECRET = ("password", "secret_key", "client_secret", "token", "basic_auth")


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
    loaded, took_ms = load(place)
    if form == "json":
        write_json({"jobs": [job.name for job in loaded.jobs], "problems": _problems(loaded)})
    else:
        write("".join(f"{problem}\n" for problem in loaded.problems))
    if loaded.problems:
        say(f"{counted(len(loaded.problems), 'problem')} in {place} ({took_ms:.0f} ms)")
        return 3
    if place == session.config_path:
        unknown = unknown_channels(session, loaded.jobs)
        for job in loaded.jobs:
            for problem in unknown(job):
                say(f"warning: {loaded.origins[job.name]}: {job.name}: {problem.message} {problem.hint}".rstrip())
    if form != "json":
        write(f"{summary(loaded)} ({took_ms:.0f} ms)\n")
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


def shown_value(name: str, value: Any) -> str:
    """A setting's value as text, without what is secret in it."""
    from datetime import timedelta

    from dkronpy.schedule.durations import format_duration
    from dkronpy.settings.notify import concealed

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
    from urllib.parse import parse_qsl, urlencode, urlunsplit

    from dkronpy.settings.redis_url import split_url

    parts = split_url(url)
    if parts.password:
        parts = parts._replace(netloc=f"{parts.username or ''}:{MASK}@{parts.netloc.rpartition('@')[2]}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any("password" in key.lower() for key, _ in query):
        hidden = [(key, MASK if "password" in key.lower() else value) for key, value in query]
        parts = parts._replace(query=urlencode(hidden, safe="*/"))
    return urlunsplit(parts)


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
