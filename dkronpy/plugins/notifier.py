"""What a notifier is: one class with typed options that brings a message about jobs to people or programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec

from dkronpy.errors import DkronpyError, Problem
from dkronpy.plugins.options import Options, doc
from dkronpy.plugins.values import Duration, as_timedelta


class NotifierError(DkronpyError):
    """The message could not be delivered, in one line; ``retryable`` says whether trying again may help."""

    def __init__(self, message: str = "", *, hint: str = "", retryable: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class NotifierOptions(Options, frozen=True, kw_only=True):
    """What every notifier can be told."""

    plugin: ClassVar[str] = ""

    timeout: Annotated[Duration, doc("One try is given up after this.")] = timedelta(seconds=10)

    def check(self) -> Iterator[Problem]:
        """Nothing may take for ever."""
        if not as_timedelta(self.timeout):
            yield self.problem("timeout", "a duration above zero is needed", "leave it out for 10s")

    @property
    def seconds(self) -> float:
        """The limit of one try."""
        return (as_timedelta(self.timeout) or timedelta(seconds=10)).total_seconds()


OptionsT = TypeVar("OptionsT", bound=NotifierOptions)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that people are told. Times are in UTC; empty and None stand for what is not known.

    ``event`` is a word of ``dkronpy.job.notify.EVENTS``, or ``reminder``, or ``test``. ``headline`` is one line;
    ``why`` a sentence or two; ``output`` the last lines of what was printed. ``times`` and ``since`` say how often in a
    row and since when. ``command`` is what to type next.
    """

    id: str
    event: str
    job: str
    headline: str
    at: datetime
    run_id: str = ""
    execution_id: str = ""
    state: str = ""
    reason: str = ""
    why: str = ""
    nodes: tuple[str, ...] = ()
    due: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    since: datetime | None = None
    times: int = 1
    output: str = ""
    command: str = ""
    url: str = ""
    display_name: str = ""
    owner: str = ""
    owner_email: str = ""
    metadata: dict[str, str] = {}

    def facts(self) -> dict[str, Any]:
        """Everything as JSON values, for machines that read it."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @property
    def good(self) -> bool:
        """Whether it is good news."""
        return self.event in ("recovery", "success", "test") or self.state == "success"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent at once: one notice, or several that came together. ``id`` is the same if it is sent again."""

    id: str
    channel: str
    subject: str
    text: str
    notices: tuple[Notice, ...]

    @property
    def good(self) -> bool:
        """Whether all of it is good news."""
        return all(notice.good for notice in self.notices)

    def facts(self) -> dict[str, Any]:
        """Everything as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


class Notifier(Generic[OptionsT]):
    """The base of every notifier: one instance a process, shared by its threads.

    Subclasses set ``options`` to their options type and implement ``send``. ``each`` says that every notice is a
    message of its own, at once and in order: what machines want. Else notices that come together are sent together.
    """

    options: ClassVar[type[NotifierOptions]]
    each: ClassVar[bool] = False

    def send(self, message: Message, options: OptionsT) -> None:
        """Deliver *message*. It may come a second time after a crash; ``message.id`` tells.

        Raises NotifierError for what it can name; it is tried again then, unless that says otherwise.
        """
        raise TypeError(f"{type(self).__name__} does not implement send()")

    def close(self) -> None:
        """Let go of what is kept between messages."""
