"""What the end of a task means: whose exit code decides, and why a task never ran."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from dkronpy.plugins.executor import Exit, Outcome

from ._process import ProcessOptions, outcome_of

if TYPE_CHECKING:
    from .ecs import Ecs

_BY_OTHERS = frozenset({"UserInitiated", "ServiceSchedulerInitiated", "SpotInterruption", "TerminationNotice"})
_STOPPED_ALONG = frozenset({137, 143})
_HOPELESS = re.compile(r"not found|no such|does not exist|denied|invalid|unauthorized", re.IGNORECASE)


def verdict(options: Ecs, definition: dict[str, Any], task: dict[str, Any]) -> Outcome:
    """How a task that has stopped ended.

    The container that the options name decides; without one, every essential container must end well. One
    that ECS stopped because another had ended is looked at last.
    """
    why = str(task.get("stoppedReason") or "ECS does not say why")
    containers = _deciding(options, definition, task)
    missing = [container for container in containers if container.get("exitCode") is None]
    if task.get("stopCode") in _BY_OTHERS:
        return _failure(f"the task was stopped from outside: {task['stopCode']}: {why}")
    if task.get("stopCode") == "TaskFailedToStart" or missing or not containers:
        told = dict.fromkeys([why, *(str(container["reason"]) for container in missing if container.get("reason"))])
        line = "; ".join(told)
        return _failure(f"the task did not run: {line}", retryable=not _HOPELESS.search(line))
    failed = [container for container in containers if container["exitCode"] not in options.success_codes]
    decided = min(failed, key=lambda container: container["exitCode"] in _STOPPED_ALONG, default=containers[0])
    reason = str(decided.get("reason") or "")
    outcome = _judged(options, decided["exitCode"])
    if reason.startswith("OutOfMemory") and decided in failed:
        outcome = msgspec.structs.replace(outcome, success=False, reason="oom", message=outcome.message + f": {reason}")
    if not outcome.success and len(containers) > 1:
        outcome = msgspec.structs.replace(outcome, message=f"container {decided['name']}: {outcome.message}")
    return outcome


def _deciding(options: Ecs, definition: dict[str, Any], task: dict[str, Any]) -> list[dict[str, Any]]:
    known = {container["name"]: container for container in task.get("containers", [])}
    if options.container:
        names = [options.container]
    else:
        names = [entry["name"] for entry in definition["containerDefinitions"] if entry.get("essential", True)]
    return [known.get(name, {"name": name}) for name in names]


def _judged(options: Ecs, code: int) -> Outcome:
    codes = ProcessOptions(
        success_codes=options.success_codes, skip_codes=options.skip_codes, retry_codes=options.retry_codes
    )
    return outcome_of(Exit(code=code), codes)


def _failure(message: str, *, retryable: bool = True) -> Outcome:
    return Outcome(success=False, reason="executor_error", message=message, retryable=retryable)
