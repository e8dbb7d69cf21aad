"""How a command ended, in the agent's words, from the few numbers that its shim sends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from dkronpy.agent import shim_messages as shim
from dkronpy.agent.process_messages import Report, read_report
from dkronpy.agent.shim_messages import SECOND, Ended, Launch
from dkronpy.plugins.command import Exit


def describe(ended: Ended, launch: Launch, kills: Sequence[str]) -> Exit:
    """The end of the command of *launch*; *kills* are the reasons of the orders to end it, by their numbers."""
    report = Report()
    with suppress(msgspec.DecodeError):  # nothing, or cut off by a KILL
        report = read_report(ended.report)
    reason, message = _why(ended, launch, kills)
    known = ended.status != shim.UNKNOWN_STATUS and report.reason != "spawn_failed"
    code = os.waitstatus_to_exitcode(ended.status) if known else None
    return Exit(
        code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        reason=reason or report.reason,
        message=message or report.message,
        confirmed_gone=ended.gone,
        max_rss=ended.max_rss,
        cpu=ended.cpu / SECOND,
        duration=ended.duration / SECOND,
        result=msgspec.json.decode(report.result),
    )


def cannot_start(error: int) -> Exit:
    """The end of a command that never began because the node is at a limit of processes, memory or descriptors."""
    return Exit(reason="spawn_failed", message=f"the node cannot start another process: {os.strerror(error)}")


def not_a_command(why: str) -> Exit:
    """The end of what was launched and cannot be read."""
    return Exit(reason="spawn_failed", message=f"this is not a command: {why}")


def _why(ended: Ended, launch: Launch, kills: Sequence[str]) -> tuple[str, str]:
    """Reason and message; both empty where the command ended by itself."""
    detail = ended.detail
    found = {
        shim.CANNOT_START: ("spawn_failed", cannot_start(detail).message),
        shim.ORDERED: (kills[detail] if 0 <= detail < len(kills) else "", ""),
        shim.TIMED_OUT: ("timeout", f"the command ran longer than its timeout of {launch.timeout or 0:g} s"),
        shim.TOO_LARGE: (
            "oom", f"the process tree held {detail} bytes of memory, its limit is {launch.mem_limit}"
        ),
        shim.NOT_VOUCHED_FOR: (
            "lease_lost_killed", "its agent stood still or was cut off, and vouched for it no longer"
        ),
        shim.AGENT_DIED: ("shutdown", "the agent died while the command ran"),
        shim.HELPER_DIED: ("executor_error", "the agent's helper process died while the command ran"),
        shim.SHIM_DIED: (
            "executor_error", "the shim that guarded the command was killed; what it had started was ended"
        ),
        shim.NOT_A_COMMAND: ("spawn_failed", not_a_command("its shim could not read the launch").message),
        shim.CHILD_DIED: ("spawn_failed", "the process that was to become the command was killed before it began"),
    }  # fmt: skip
    return found.get(ended.cause, ("", ""))
