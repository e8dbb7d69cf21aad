"""Runs a command: a line for ``/bin/sh``, or a program with its arguments and no shell at all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutionContext, Executor, Exit, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.values import Rejected, as_timedelta, read
from dkronpy.schedule.durations import format_duration
from dkronpy.secret import Secret

from ._process import ProcessOptions, outcome_of, texts
from ._words import split_words

ShellT = TypeVar("ShellT", bound="Shell")


def _read_command(value: Any) -> Any:
    if isinstance(value, str):
        return read(value, str)
    return read(value, tuple[str, ...])


_COMMAND = msgspec.Meta(extra={"read": _read_command, "kind": "text or list of text"})


class Shell(ProcessOptions, frozen=True):
    """A command: ``Shell("pg_dump app | gzip")`` for ``/bin/sh -c``, ``Shell(("ls", "-l"))`` for no shell.

    In Dkron's configuration, where ``shell`` is not given, a line is split at blanks and run without a shell.
    """

    plugin: ClassVar[str] = "shell"

    command: Annotated[
        str | tuple[str, ...],
        _COMMAND,
        doc("The command line, or a program and its arguments."),
    ]
    shell: Annotated[
        bool | None,
        doc(
            'Run the line by `/bin/sh -c`. Given as `Shell("text")` in Python: true; in JSON: false.',
            kind="bool",
        ),
    ] = None
    payload: Annotated[
        bytes | Secret, doc("What it reads on standard input: base64 in JSON, bytes in Python; any size.")
    ] = b""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shell is None:
            msgspec.structs.force_setattr(self, "shell", isinstance(self.command, str))

    @classmethod
    def from_config(  # noqa: PYI019 - Self is not in Python 3.10
        cls: type[ShellT], config: Mapping[str, Any], *, job: str = ""
    ) -> ShellT:
        """As for every plugin; a line without ``shell`` is run without one, as Dkron does."""
        if config.get("shell") in (None, ""):
            config = {**config, "shell": False}
        return super().from_config(config, job=job)

    @classmethod
    def verbatim(cls, config: Mapping[str, Any]) -> Mapping[str, str]:
        """What a template pastes into a line could become another word, or another command; in a list it cannot."""
        if not isinstance(config.get("command"), str):
            return {}
        cure = 'give it as a variable, env={"NAME": "{{ ... }}"}, and write "$NAME" in the command'
        in_shell = str(config.get("shell")).lower() in ("true", "t", "1")
        return {"command": cure if in_shell else "write the command as a list of words"}

    @classmethod
    def missing(cls, name: str) -> str:
        """Dkron's words for a job without a command."""
        return "shell: Command missing" if name == "command" else super().missing(name)

    def to_config(self) -> dict[str, Any]:
        """As for every plugin; ``shell`` always stands in it."""
        return {**super().to_config(), "shell": self.shell}

    def check(self) -> Iterator[Problem]:
        """A command must be there, and be one that can be split and be given to a program."""
        yield from super().check()
        for name in ("command", "cwd"):
            if "\0" in "".join(getattr(self, name)):
                yield self.problem(name, "it holds a NUL character, which no program can be given")
        if self.shell and not isinstance(self.command, str):
            hint = "leave out shell, or write the command as one line"
            yield self.problem("shell", "a list of arguments is run without a shell", hint)
            return
        try:
            words = self.argv()
        except Rejected as error:
            yield self.problem("command", error.message, error.hint)
            return
        if not words or not words[0] or not "".join(self.command).strip():
            yield self.problem("command", self.missing("command"))

    def argv(self) -> tuple[str, ...]:
        """The program and its arguments. Raises Rejected for a line that cannot be split."""
        if not isinstance(self.command, str):
            return self.command
        return ("/bin/sh", "-c", self.command) if self.shell else split_words(self.command)


class ShellExecutor(Executor[Shell]):
    """Runs commands behind the shim, which ends all that they started."""

    options = Shell

    def execute(self, options: Shell, context: ExecutionContext) -> Outcome:
        """Run the command; its standard output and error are the output, in the order they come."""
        payload = options.payload
        ended = context.spawn(
            options.process(
                argv=options.argv(),
                env=context.environment({**texts(options.env), "ENV_JOB_NAME": context.job}),
                stdin=payload if isinstance(payload, bytes) else str(payload).encode(),
            )
        )
        if line := _last_words(options, context, ended):
            context.write(line.encode())
        return outcome_of(ended, options)


def _last_words(options: Shell, context: ExecutionContext, ended: Exit) -> str:
    """The line that Dkron puts under the output of a command that it had to kill."""
    command = options.command if isinstance(options.command, str) else shlex.join(options.command)
    limit = as_timedelta(options.timeout) or context.timeout
    if ended.reason == "timeout" and limit is not None:
        over = f"execution time exceeding defined timeout {format_duration(limit)}"
    elif ended.reason == "oom":
        over = f"memory usage ({ended.max_rss} bytes) exceeding defined limit ({options.mem_limit} bytes)"
    else:
        return ""
    return f"\nshell: Job '{command}' {over}. Job was killed\n"
