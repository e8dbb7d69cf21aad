"""The command `dkronpy`: finds a command by its name, imports it only then, and says what went wrong in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import click

from dkronpy.cli.failure import report, report_usage
from dkronpy.cli.session import Session, global_options

INTERRUPTED = 130

COMMANDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "status": ("Everyday", "status", "Show leader, nodes, failing jobs and open work."),
        "run": ("Everyday", "run", "Start a job now."),
        "logs": ("Everyday", "logs", "Print what a job printed."),
        "next": ("Everyday", "schedule", "Print the next due times of a job or a schedule."),
        "explain": ("Everyday", "schedule", "Say a schedule in English."),
        "why": ("Everyday", "why", "Say what became of a due time, and why."),
        "audit": ("Everyday", "audit", "Check that every due time has exactly one record."),
        "backfill": ("Everyday", "backfill", "Make up for due times of the past."),
        "exec": ("Everyday", "exec_job", "Run a command that cron starts, and record it."),
        "forecast": ("Everyday", "forecast", "Count due runs per minute, and name the worst minutes."),
        "pause": ("Everyday", "pause", "Pause a job, a tag or everything."),
        "resume": ("Everyday", "pause", "End a pause."),
        "pauses": ("Everyday", "pause", "List what is paused, and why."),
        "lateness": ("Everyday", "lateness", "Show how late runs were, and which promises were broken."),
        "simulate": ("Everyday", "simulate", "Show what would become of a week, in virtual time."),
        "validate": ("Jobs as code", "config", "Check a configuration without touching anything."),
        "lint": ("Jobs as code", "lint", "Name the dates on which clock changes matter."),
        "try": ("Jobs as code", "try_job", "Run one job of a configuration here and now."),
        "plan": ("Jobs as code", "plan", "Show what applying a configuration would change."),
        "apply": ("Jobs as code", "apply", "Save the jobs of a configuration."),
        "export": ("Jobs as code", "export", "Write stored jobs as Python or JSON."),
        "adopt": ("Jobs as code", "adopt", "Let dkronpy start what a crontab starts by `dkronpy exec`."),
        "import": ("Jobs as code", "import_jobs", "Turn the jobs of other schedulers into configuration."),
        "job": ("Resources", "job", "List, show, delete, toggle, roll back jobs."),
        "runs": ("Resources", "runs", "List, show, watch, cancel runs."),
        "pool": ("Resources", "pool", "List, set, delete pools of slots."),
        "node": ("Resources", "node", "List, drain, rename and forget nodes."),
        "calendar": ("Resources", "calendar", "List, show, save, delete holidays and working days."),
        "notify": ("Resources", "notify", "List and test the channels by which people are told."),
        "token": ("Resources", "token", "Create, list, revoke tokens of the API."),
        "policy": ("Resources", "policy", "List, show, save, delete policies of the API."),
        "keys": ("Resources", "keys", "Make and change the key that signs jobs."),
        "certs": ("Resources", "certs", "Make certificates of an own authority."),
        "executor": ("Resources", "executor", "List executors and show their options."),
        "backup": ("Resources", "backup", "Write all definitions and history to a file."),
        "restore": ("Resources", "backup", "Bring a backup's definitions and history back."),
        "up": ("Services", "up", "Start store, beat and an agent together."),
        "beat": ("Services", "beat", "Run beat, which fires what is due."),
        "agent": ("Services", "agent", "Run an agent, which executes on this node."),
        "server": ("Services", "server", "Run the HTTP API."),
        "flower": ("Services", "flower", "Run Flower on this deployment."),
        "doctor": ("Help", "doctor", "Look for what is wrong, with a fix for each."),
        "config": ("Help", "config", "Show every setting and where it came from."),
        "verify": ("Help", "verify", "Hurt this deployment, and say whether anything was lost."),
        "completion": ("Help", "completion", "Print the completion script of a shell."),
        "version": ("Help", "version", "Print the version."),
    }
)
"""For each command its section of the help, its module in this package, and its line there."""


class ReaderGoneError(Exception):
    """Who read our output has closed it."""


class Root(click.Group):
    """All commands, none of them imported before it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, as the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"dkronpy.cli.{COMMANDS[cmd_name][1]}")
        found: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the near name for a misspelt one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from dkronpy.schedule.problems import did_you_mean

            hint = did_you_mean(name, COMMANDS) or "`dkronpy --help` lists the commands"
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The names of commands that begin so, without importing any."""
        from click.shell_completion import CompletionItem

        own = click.Command.shell_complete(self, ctx, incomplete)
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [*(CompletionItem(name, help=COMMANDS[name][2]) for name in names), *own]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (section, _, line) in COMMANDS.items():
            sections.setdefault(section, []).append((name, line))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows, col_max=12)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would end the process with 1 where the reader has gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGoneError from None

    def main(self, args: Any = None, prog_name: Any = None, *rest: Any, **extra: Any) -> Any:
        """Run a command and end the process with its exit status."""
        session = extra.pop("obj", None) or Session()
        extra.pop("standalone_mode", None)
        sys.exit(self._run(list(sys.argv[1:] if args is None else args), session, extra))

    def _run(self, args: list[str], session: Session, extra: Mapping[str, Any]) -> int:
        try:
            try:
                code = super().main(args, prog_name="dkronpy", standalone_mode=False, obj=session, **extra)
            finally:
                session.close()
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED
        except click.ClickException as error:
            return report_usage(error)
        except (ReaderGoneError, BrokenPipeError):
            return _reader_gone()
        except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a traceback
            return report(error, session)
        return code if isinstance(code, int) else 0


def _reader_gone() -> int:
    """That `head` has read enough is no failure of ours; nothing more may be written there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return 0


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
def cli() -> None:
    """Run jobs on the right machines at the right moment, and know what became of each.

    `dkronpy up` starts everything on this machine. Every command has --help with examples.
    """


def main() -> NoReturn:
    """The entry point."""
    sys.exit(cli.main())
