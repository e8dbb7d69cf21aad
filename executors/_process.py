"""What executors that run a process share: environment options, and how its end is told to people."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from dkronpy.clock import SystemClock, from_ms
from dkronpy.errors import Problem
from dkronpy.plugins.codes import RetryCodes, SkipCodes, judged
from dkronpy.plugins.executor import Command, Exit, Outcome
from dkronpy.plugins.options import Options, doc
from dkronpy.plugins.values import (
    Duration,
    Rejected,
    Size,
    Text,
    as_timedelta,
    read,
    read_duration,
    read_int,
    read_size,
    read_text,
    shown,
)

_OURS = "DKRONPY_"
_NAME = re.compile(r"[^=\0]+")
_SHELL_STATUS = {
    126: "the command was found and cannot be executed",
    127: "the shell did not find the command",
}


def read_env(value: Any) -> dict[str, Any]:
    """Environment variables from a table, or from Dkron's ``K=V,K2=V2``."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        value = dict(_pairs(value))
    table: dict[str, Any] = read(value, dict[str, Text])
    for name, content in table.items():
        if not _NAME.fullmatch(name):
            raise Rejected(f"{shown(name)} cannot be the name of a variable: it is empty, or holds = or NUL")
        if name.startswith(_OURS):
            raise Rejected(f"{name} cannot be given: the variables {_OURS}* are set by the node")
        if isinstance(content, str) and "\0" in content:
            raise Rejected(f"the value of {name} holds a NUL character, which no program can be given")
    return table


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            hint = 'for a value with a comma write a table: {"NAME": "a,b"}'
            raise Rejected(f"{shown(part)} has no =; the form is NAME=value,NAME2=value2", hint)
        pairs.append((name, value))
    return pairs


def read_timeout(value: Any) -> Any:
    """A duration; zero is no limit."""
    return None if value is None else read_duration(value) or None


def read_memory(value: Any) -> Any:
    """A size, or None."""
    return None if value is None else read_size(value)


def read_user(value: Any) -> str:
    """``user`` or ``user:group``, by name or number."""
    user = read_text(value)
    if user and not re.fullmatch(r"[^:\s]+(:[^:\s]+)?", user):
        raise Rejected(f"{shown(user)} is not a user; accepted: user or user:group")
    return user


def read_statuses(value: Any) -> tuple[int, ...]:
    """Exit statuses: a number, a list of numbers, or ``0,1,2``."""
    codes: tuple[int, ...] = (read_int(value),) if isinstance(value, int) else read(value, tuple[int, ...])
    if wrong := [code for code in codes if not 0 <= code <= 255]:
        raise Rejected(f"{wrong[0]} is not an exit status; accepted: 0 to 255, as 0,1,2")
    return codes


def _reads(reader: Any, kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


Env = Annotated[dict[str, Text], _reads(read_env, "table of text or secret")]
Timeout = Annotated[Duration | None, _reads(read_timeout, "duration")]
MemoryLimit = Annotated[Size | None, _reads(read_memory, "size")]
Statuses = Annotated[tuple[int, ...], _reads(read_statuses, "list of numbers")]
User = Annotated[str, _reads(read_user, "user or user:group")]


class ProcessOptions(Options, frozen=True, kw_only=True):
    """The surroundings and limits of a process."""

    plugin: ClassVar[str] = ""

    cwd: Annotated[str, doc("The folder it runs in; by default the agent's.")] = ""
    env: Annotated[
        Env, doc("Variables on top of the job's clean environment. As text: `NAME=value,NAME2=value2`.")
    ] = {}  # noqa: RUF012 - msgspec copies it for each
    user: Annotated[
        User,
        doc("Whom it runs as, with that user's supplementary groups. Needs an agent run by root.", dkron="su"),
    ] = ""
    timeout: Annotated[
        Timeout, doc("Its whole process tree is ended after this: TERM, and KILL 5 s later. 0 is no limit.")
    ] = None
    mem_limit: Annotated[
        MemoryLimit,
        doc("Resident memory of the whole process tree; above it, the tree is killed. `512MB`, `1.5GB`."),
    ] = None
    cpu_limit: Annotated[
        Timeout, doc("Processor time of each process; above it, that is ended (SIGXCPU). 0 is no limit.")
    ] = None
    file_limit: Annotated[MemoryLimit, doc("The longest file that a process may write. `1GB`.")] = None
    process_limit: Annotated[
        int, doc("How many processes and threads its user may have in all. 0 is no limit, and root has none.")
    ] = 0
    stderr: Annotated[
        Literal["merged", "separate"],
        doc(
            "`separate` tells standard error apart, so that it can be shown alone; what is written to both within a "
            "moment may change places. `merged` keeps the order of writing."
        ),
    ] = "merged"
    success_codes: Annotated[Statuses, doc("The exit statuses that are a success, as `0,1,2`.")] = (0,)
    skip_codes: SkipCodes = ""
    retry_codes: RetryCodes = ""

    def check(self) -> Iterator[Problem]:
        """Some exit status must be a success."""
        if self.process_limit < 0:
            yield self.problem("process_limit", "it is below zero; accepted: 0 (no limit) and above")
        if not self.success_codes:
            yield self.problem("success_codes", "no exit status would be a success", "leave it out for 0")

    def process(self, **what: Any) -> Command:
        """The command *what* (``argv`` or ``callable``, ``env``) within these surroundings and limits."""
        user, _, group = self.user.partition(":")
        limit = None if self.mem_limit is None else read_size(self.mem_limit)
        cpu = as_timedelta(self.cpu_limit)
        limits = {
            "CPU": ceil(cpu.total_seconds()) if cpu else 0,
            "FSIZE": 0 if self.file_limit is None else read_size(self.file_limit),
            "NPROC": self.process_limit,
        }
        return Command(
            cwd=self.cwd or None,
            user=user or None,
            group=group or None,
            timeout=as_timedelta(self.timeout),
            mem_limit=limit,
            limits={name: value for name, value in limits.items() if value},
            separate_stderr=self.stderr == "separate",
            **what,
        )


def texts(table: Mapping[str, Text]) -> dict[str, str]:
    """A table whose secrets were resolved before it came to an executor."""
    return {name: str(value) for name, value in table.items()}


def outcome_of(ended: Exit, options: ProcessOptions) -> Outcome:
    """How a process's end is told: success, or a reason code with one line that a person would say."""
    return judged(_outcome(ended, options.success_codes), options)


def _outcome(exit: Exit, success_codes: tuple[int, ...]) -> Outcome:  # noqa: A002 - its name in the contract
    if exit.reason:
        reason = "executor_error" if exit.reason == "spawn_failed" else exit.reason
        message = exit.message or _SAID.get(exit.reason, exit.reason)
        return _failure(exit, reason, message)
    if exit.signal is not None:
        return _failure(exit, "signal", f"signal: ended by {_signal_name(exit.signal)}")
    if exit.code in success_codes:
        return Outcome(success=True, exit_code=exit.code, result=exit.result)
    message = f"exit status {exit.code}"
    if exit.code in _SHELL_STATUS:
        message += f": {_SHELL_STATUS[exit.code]}"
    elif exit.code is not None and exit.code - 128 in set(signal.Signals):
        message += f": a command in it was ended by {_signal_name(exit.code - 128)}"
    return _failure(exit, "exit", message)


_SAID = {
    "cancelled": "it was cancelled and ended",
    "shutdown": "the agent was stopped and ended it",
    "lease_lost_killed": "the node lost touch with the store and ended it",
}


_ENDED = frozenset({"timeout", "oom", *_SAID})
"""Reasons of an end that came from outside, of which there has to be proof."""


def _failure(exit: Exit, reason: str, message: str) -> Outcome:  # noqa: A002
    if not exit.confirmed_gone:
        message += "; could not confirm that all of its processes are gone"
    elif exit.reason in _ENDED:
        moment = from_ms(SystemClock().now_ms()).isoformat(timespec="seconds").replace("+00:00", "Z")
        message += f"; its process tree is confirmed gone at {moment}"
    return Outcome(success=False, reason=reason, message=message, exit_code=exit.code, result=exit.result)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
