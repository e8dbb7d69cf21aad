"""What `doctor` finds: one finding a check, with the fix where something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import redis

from dkronpy.errors import DkronpyError

State = Literal["ok", "warn", "fail"]
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found. ``warn`` is worth a look, ``fail`` keeps jobs from running or from being kept."""

    check: str
    state: State = "ok"
    message: str
    fix: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check=check, message=message)


def warn(check: str, message: str, fix: str) -> Finding:
    """Worth a look."""
    return Finding(check=check, state="warn", message=message, fix=fix)


def fail(check: str, message: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding(check=check, state="fail", message=message, fix=fix)


def run_checks(checks: Sequence[tuple[str, Callable[[], Finding]]]) -> Iterator[Finding]:
    """The findings of *checks*, by name; one that raises what we know becomes a finding itself."""
    for name, check in checks:
        try:
            yield check()
        except DkronpyError as error:
            yield fail(name, " ".join(str(error).split()), error.hint)
        except redis.RedisError as error:  # an ACL may forbid what a check asks for
            yield warn(name, f"could not be checked: {error}", "let this user run it, or look at the store's ACL")


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def counted(number: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
