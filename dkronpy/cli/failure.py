"""Says in a line or a few what went wrong, where the setting came from, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dkronpy.errors import DkronpyError, StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from dkronpy.cli.session import Session

NOT_ALLOWED = 7
_LOGIN_REFUSED = (
    "AuthenticationError",
    "AuthorizationError",
    "NoPermissionError",
    "AuthenticationWrongNumberOfArgsError",
)


def report(error: Exception, session: Session) -> int:
    """Write what happened to standard error; the exit status that says it to a program."""
    if session.debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, DkronpyError):
        return _known(error, session)
    if type(error).__name__ in _LOGIN_REFUSED:
        say("error: " + _one_line(error))
        return NOT_ALLOWED
    say(f"error: {type(error).__name__}: {_one_line(error)}")
    if not session.debug:
        say("  this should not have happened; --debug shows where it did")
    return 1


def report_usage(error: click.ClickException) -> int:
    """Write what is wrong with the command line, and where its help is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return error.exit_code
    say(f"error: {error.format_message()}")
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        say(f"hint: `{context.command_path} --help` shows what it takes")
    return error.exit_code


def say(text: str) -> None:
    """Talk to the person, on standard error."""
    click.echo(text, err=True)


def _known(error: DkronpyError, session: Session) -> int:
    lines = str(error).splitlines() or [type(error).__name__]
    count = len(getattr(error, "problems", ()))
    if count > 1:
        say(f"error: {count} problems")
        for line in lines:
            say(f"  {line}")
    else:
        say("error: " + "\n  ".join(lines))
    if isinstance(error, (StoreUnavailableError, StoreRefusedError)) and (
        origin := session.origin_of_address(str(error))
    ):
        say(f"  the address came from {origin}")
    if error.hint:
        say(f"hint: {error.hint}")
    if type(error.__cause__).__name__ in _LOGIN_REFUSED:
        return NOT_ALLOWED
    return error.exit_code


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
