"""`dkronpy doctor`: looks for what is wrong, with a fix for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dkronpy.cli.output import Column, Printer, data_options, in_colour, printable, write
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.errors import DkronpyError, StoreUnavailableError

if TYPE_CHECKING:
    from dkronpy.settings import Settings
    from dkronpy.supervisor.checks import Finding

_COLUMNS = (Column(name="check"), Column(name="state"), Column(name="message"), Column(name="fix"))
_START = "start one: dkronpy up; or set DKRONPY_STORE_URL"
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command(
    name="doctor",
    short_help="Look for what is wrong, with a fix for each.",
    example="""
    dkronpy doctor
    dkronpy doctor -o json
    """,
)
@data_options()
@pass_session
def doctor(session: Session, printer: Printer) -> int:
    """Check this machine, the store, beat, the nodes and every job's targets.

    One line a check: ok, warn or fail, with what to do. The exit status is 1 when a check fails, else 0.
    """
    failed = False
    rows = []
    for finding in _findings(session):
        failed = failed or finding.state == "fail"
        if printer.for_people and not printer.chosen:
            write(_line(finding))
        rows.append(
            {"check": finding.check, "state": finding.state, "message": finding.message, "fix": finding.fix or None}
        )
    if not printer.for_people or printer.chosen:
        printer.rows(_COLUMNS, rows)
    return 1 if failed else 0


def _line(finding: Finding) -> str:
    state = f"{finding.state:<4}"
    if in_colour():
        state = click.style(state, fg=_COLOURS[finding.state])
    fix = f"; fix: {finding.fix}" if finding.fix else ""
    return f"{state}  {finding.check:<13}  {printable(finding.message + fix)}\n"


def _findings(session: Session) -> Iterator[Finding]:
    from dkronpy.supervisor.checks import fail, ok
    from dkronpy.supervisor.checks_machine import check_machine

    try:
        settings, sources = session.loaded
    except DkronpyError as error:
        yield fail("settings", " ".join(str(error).split()), error.hint or "mend the value where it comes from")
        return
    given = sum(source.kind != "default" for source in sources.values())
    yield ok("settings", f"{given} of {len(sources)} set, the others at their defaults")
    yield from check_machine(settings, session.config_path)
    yield from _store_findings(session, settings)


def _store_findings(session: Session, settings: Settings) -> Iterator[Finding]:
    """The store and what stands on it; when it cannot be reached there is nothing more to be asked."""
    import redis

    from dkronpy.clock import SystemClock
    from dkronpy.supervisor.checks import fail, ok
    from dkronpy.supervisor.checks_deployment import check_deployment
    from dkronpy.supervisor.checks_store import check_store

    try:
        client = session.client
        client.ping()
        origin = session.store_origin()
        yield ok("store", f"{client.deployment.store.where} answers" + (f" (from {origin})" if origin else ""))
        yield from check_store(client, SystemClock(), allow_volatile=settings.allow_volatile)
        yield from check_deployment(client, session.settings)
    except DkronpyError as error:
        origin = session.store_origin()
        told = " ".join(str(error).split()) + (f" (from {origin})" if origin else "")
        away = isinstance(error, StoreUnavailableError)
        yield fail("store", told, _START if away else error.hint)
    except redis.RedisError as error:  # an ACL, or keys of that name that are not ours
        yield fail("store", f"{type(error).__name__}: {error}", "does another program use these keys? see key_prefix")
