"""Every error that dkronpy raises on purpose; a user's mistake ends in one of these and one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class DkronpyError(Exception):
    """Something that dkronpy can name.

    ``exit_code`` is the exit status of a command that it ends; ``hint`` is what to type or look at next.
    """

    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.hint = hint


class ConfigError(DkronpyError):
    """The configuration cannot be used."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one field: what it holds, and what would be right."""

    field: str
    value: Any
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.field}: {self.message}{hint}"


class InvalidError(ConfigError, ValueError):
    """Something has fields that cannot be used; ``problems`` names every one of them."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{subject}: {problem}" for problem in problems))
        self.subject = subject
        self.problems = tuple(problems)


class ScheduleError(ConfigError, ValueError):
    """A schedule that cannot be understood, or that never fires."""


class StoreUnavailableError(DkronpyError):
    """Redis (or the API) cannot be reached."""

    exit_code = 4


class StoreRefusedError(DkronpyError):
    """The store is reachable and not fit to keep the promises."""

    exit_code = 3


def needs_store(server: str) -> ConfigError:
    """What is wrong where something works on the store alone, and only a *server* is known."""
    return ConfigError(
        f"this needs the store itself, and {server} is a server",
        hint="unset DKRONPY_API_URL and set DKRONPY_STORE_URL, on a machine that reaches the store",
    )


class NotFoundError(DkronpyError):
    """There is no such thing."""

    exit_code = 5


class ConflictError(DkronpyError):
    """Someone else changed it, or the name is taken."""

    exit_code = 6


class StillRunningError(ConflictError):
    """What is asked for has to wait until runs have ended."""


class DeniedError(DkronpyError):
    """This token may not do that."""

    exit_code = 7


class WaitTimeoutError(DkronpyError):
    """What was waited for did not come in time."""

    exit_code = 8


class PluginError(DkronpyError):
    """A plugin is missing or cannot be loaded."""

    exit_code = 3
