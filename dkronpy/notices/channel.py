"""Channels: names under which the settings keep a notifier with its options, and what it listens to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dkronpy.errors import InvalidError, PluginError, Problem, ScheduleError
from dkronpy.job import Job
from dkronpy.job.notify import Notify
from dkronpy.notices.quiet import Quiet, read_quiet
from dkronpy.plugins.notifier import NotifierOptions
from dkronpy.plugins.options import PREFIX
from dkronpy.plugins.registry import names, options_type
from dkronpy.schedule.problems import did_you_mean
from dkronpy.settings import Settings

OWNER = "owner"
"""Stands for the address in each job's ``owner_email``, where ``mail_host`` is set."""
MAIL = "mailto:"
_NAME = re.compile(r"[a-z0-9_-]{1,100}")
_RULE = ("on", "failures", "slow", "late")


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A notifier with its options under a name; ``rule`` is what it listens to where a job does not say."""

    name: str
    notifier: str
    options: NotifierOptions
    rule: Notify
    for_all: bool = False
    """Whether it hears of every job, whatever that says itself: Dkron's hooks."""
    quiet: Quiet | None = None
    """When it is silent."""


class Channels:
    """The channels of a deployment. ``problems`` says what is wrong with those that cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problems: list[Problem] = []
        self._known: dict[str, Channel] = {}
        self._tables = dict(_tables(settings))
        for name, value in self._tables.items():
            try:
                self._known[name] = channel(name, value)
            except InvalidError as error:
                self.problems += error.problems
        for name, word in (("dkron-pre-webhook", "pre_webhook"), ("dkron-webhook", "webhook")):
            if getattr(settings, f"{word}_endpoint") and name not in self._tables:
                message = f"nothing is posted to {word}_endpoint without {word}_payload, as in Dkron"
                self.problems.append(Problem(f"channels.{name}", "", message, f"set {word}_payload"))
        self.default = tuple(name.strip() for name in settings.notify.split(",") if name.strip())
        if not settings.notify and settings.mail_host:
            self.default = (OWNER,)
        for name in self.default:
            if self.get(name) is None and not (name == OWNER and settings.mail_host):
                self.problems.append(self.unknown("notify", name))

    def __bool__(self) -> bool:
        return bool(self._known or self.settings.mail_host)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._known.values())

    def get(self, name: str) -> Channel | None:
        """The channel of that name, or the one that an address such as ``mailto:ops@example.com`` stands for."""
        found = self._known.get(name)
        if found is None and name.startswith(MAIL) and self.settings.mail_host and name not in self._tables:
            table = {**_mail(self.settings), "emails": name.removeprefix(MAIL)}
            self._tables[name] = table
            try:
                found = self._known[name] = channel(name, table)
            except InvalidError as error:
                self.problems += error.problems
        return found

    def of_job(self, name: str, job: Job) -> Channel | None:
        """The channel of that name as *job* means it: ``owner`` is the address of its owner."""
        if name == OWNER and OWNER not in self._tables:
            return self.get(MAIL + job.owner_email) if job.owner_email else None
        return self.get(name)

    def unknown(self, field: str, name: str) -> Problem:
        """The problem of a name that is no channel here."""
        if name.startswith(MAIL):
            return Problem(field, name, f"{name!r} needs a mail server", "set mail_host, or DKRONPY_MAIL_HOST")
        known = ", ".join(self._known) or "none is configured"
        return Problem(field, name, f"there is no channel {name!r}; known: {known}", did_you_mean(name, self._known))


def channel(name: str, value: Any) -> Channel:
    """The channel that a value of the setting ``channels`` stands for.

    A table with ``notifier`` and its options (and ``on``, ``failures``, ``slow``, ``late``, ``quiet``, ``for_all``),
    options as they are built in Python, or a URL: ``https://`` is a webhook, anything else is Apprise's.
    Raises InvalidError.
    """
    where = f"channels.{name}"
    table, problems = _read(name, value)
    kind = str(table.pop("notifier", ""))
    rule_fields = {key: table.pop(key) for key in _RULE if key in table}
    for_all = bool(table.pop("for_all", False))
    rule = Notify(name, **rule_fields)
    problems += [Problem(where, one.value, one.message, one.hint) for one in rule.problems()]
    hours, quiet = table.pop("quiet", ""), None
    try:
        quiet = read_quiet(hours) if hours else None
    except ScheduleError as error:
        problems.append(Problem(f"{where}.quiet", hours, str(error), error.hint))
    if problems:
        raise InvalidError("settings", problems)
    try:
        options = options_type(kind, "notifier").from_config(table)
    except PluginError as error:
        raise InvalidError("settings", [Problem(f"{where}.notifier", kind, str(error), error.hint)]) from None
    except InvalidError as error:
        problems = [
            Problem(f"{where}.{one.field.removeprefix(PREFIX)}", one.value, one.message, one.hint)
            for one in error.problems
        ]
        raise InvalidError("settings", problems) from None
    assert isinstance(options, NotifierOptions)  # noqa: S101 - the registry's contract
    return Channel(name=name, notifier=kind, options=options, rule=rule, for_all=for_all, quiet=quiet)


def _read(name: str, value: Any) -> tuple[dict[str, Any], list[Problem]]:
    where = f"channels.{name}"
    if not _NAME.fullmatch(name) and not name.startswith(MAIL):
        return {}, [Problem("channels", name, f"{name!r} is no name", "lower-case letters, digits, '-' and '_'")]
    if isinstance(value, str):
        scheme = urlsplit(value).scheme
        if not scheme:
            return {}, [Problem(where, "...", "it is not a URL", "https://... or one of Apprise's, such as slack://")]
        if scheme in ("http", "https"):
            return {"notifier": "webhook", "url": value}, []
        return {"notifier": "apprise", "urls": [value]}, []
    if isinstance(value, NotifierOptions):
        return {"notifier": value.plugin, **value.to_config()}, []
    if isinstance(value, Mapping) and isinstance(value.get("notifier"), str):
        return dict(value), []
    known = ", ".join(names("notifier"))
    return {}, [Problem(where, "...", "it is neither a URL nor a table with a notifier", f"known notifiers: {known}")]


def _tables(settings: Settings) -> Iterator[tuple[str, Any]]:
    """What the settings say, and what Dkron's settings for mail, hooks and Cronitor stand for."""
    yield from settings.channels.items()
    hooks = (
        ("dkron-pre-webhook", "started", settings.pre_webhook_endpoint, settings.pre_webhook_payload,
         settings.pre_webhook_headers),
        ("dkron-webhook", "ended", settings.webhook_endpoint, settings.webhook_payload, settings.webhook_headers),
    )  # fmt: skip
    for name, event, url, payload, headers in hooks:
        if url and payload:  # Dkron's condition
            table = {"notifier": "dkron", "url": url, "payload": payload, "headers": headers}
            yield name, {**table, "on": event, "for_all": True}
    if settings.cronitor_endpoint:
        table = {"notifier": "ping", "url": settings.cronitor_endpoint, "style": "cronitor"}
        yield "cronitor", {**table, "on": "started,ended", "for_all": True}


def _mail(settings: Settings) -> dict[str, Any]:
    table = {
        "notifier": "email", "host": settings.mail_host, "port": settings.mail_port, "user": settings.mail_username,
        "password": settings.mail_password, "sender": settings.mail_from, "security": settings.mail_security,
        "subject_prefix": settings.mail_subject_prefix, "payload": settings.mail_payload, "on": settings.mail_on,
    }  # fmt: skip
    return {name: value for name, value in table.items() if value}


def unknown_to(channels: Channels, job: Job) -> list[Problem]:
    """The channels that *job* names and that are none of *channels*."""
    return [
        channels.unknown("notify", rule.to)
        for rule in job.notify or ()
        if channels.of_job(rule.to, job) is None and rule.to != "owner" and not rule.to.startswith(MAIL)
    ]
