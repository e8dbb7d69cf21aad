"""The settings that say who is told of what happens, and by which ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from dkronpy.settings.vault import VaultSettings

MailSecurity = Literal["auto", "starttls", "tls", "none"]


class NotifySettings(VaultSettings, frozen=True, kw_only=True):
    """What the notifier is told. Where Dkron has a setting of that name, it means the same."""

    channels: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it
    """The ways by which people are told, by name: ``{"ops": {"notifier": "slack", "url": ...}}``, or a URL each."""

    notify: str = ""
    """The channels that hear of jobs which name none themselves, separated by commas; ``owner`` stands for the job's
    ``owner_email``.
    """

    notify_wait: timedelta = timedelta(seconds=10)
    """How long notices for one channel are gathered before the first goes out."""

    notify_interval: timedelta = timedelta(minutes=1)
    """What lies between two messages to one channel at least; what happens meanwhile is one message."""

    notify_reminder: timedelta = timedelta(hours=6)
    """How often a job that goes on failing is told of again."""

    public_url: str = ""
    """The address that people reach the server under, such as ``https://jobs.example.org``: notices and Flower link
    there, and whoever signs in with OpenID Connect comes back there. Empty: as they ask.
    """

    beat_ping_url: str = ""
    """A URL that the leading beat visits every minute: whoever watches it notices that no beat leads."""

    mail_host: str = ""
    """The mail server. With it, ``owner`` is told by mail of every job that has an ``owner_email``."""

    mail_port: int = 0
    """The mail server's port; 0: 25, or 465 with ``tls``."""

    mail_username: str = ""
    """The user, where the mail server wants one."""

    mail_password: str = ""
    """The user's password."""

    mail_from: str = ""
    """The sender's address."""

    mail_security: MailSecurity = "auto"
    """How the connection is protected: ``auto`` takes STARTTLS where it is offered, ``starttls``, ``tls``, ``none``."""

    mail_subject_prefix: str = "[Dkron] "
    """What the subject of a mail begins with."""

    mail_payload: str = ""
    """A template for the text of mails, in Dkron's form (``{{.JobName}}``) or ours."""

    mail_on: str = "changes"
    """What owners are mailed of; ``success,failure`` is what Dkron does."""

    pre_webhook_endpoint: str = ""
    """Dkron's hook before each execution: a URL that is posted to. As in Dkron, nothing is posted without a payload."""

    pre_webhook_payload: str = ""
    """What is posted there: a template in Dkron's form."""

    pre_webhook_headers: str = ""
    """Its headers, ``Name: value``, several separated by line ends."""

    webhook_endpoint: str = ""
    """Dkron's hook after each execution: a URL that is posted to. As in Dkron, nothing is posted without a payload."""

    webhook_payload: str = ""
    """What is posted there: a template in Dkron's form."""

    webhook_headers: str = ""
    """Its headers, ``Name: value``, several separated by line ends."""

    cronitor_endpoint: str = ""
    """Where Cronitor is told of each execution, as Dkron does it: a URL that the job's name is put behind."""


_PRIVATE = frozenset({
    "pre_webhook_endpoint", "pre_webhook_headers", "webhook_endpoint", "webhook_headers", "cronitor_endpoint",
    "beat_ping_url",
})  # fmt: skip


def concealed(name: str, value: Any) -> Any:
    """*value* of the setting *name* fit to be shown: of channels the names, for the rest is as good as a password."""
    if name == "channels":
        return dict.fromkeys(value, "***")
    return "***" if name in _PRIVATE and value else value
