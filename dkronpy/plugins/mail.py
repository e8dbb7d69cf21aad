"""Brings a mail to a server: what the processor and the notifier of mail share."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

Refused = dict[str, tuple[int, bytes]]
"""The addresses that the server refused, each with its answer."""


def send_mail(
    message: EmailMessage, host: str, port: int, *, security: str, context: ssl.SSLContext | None, user: str,
    password: str, timeout: float | None,
) -> Refused:  # fmt: skip
    """Send *message*; the addresses that were refused, where some were not.

    ``security`` is ``starttls``, ``tls``, ``none``, or ``auto``: STARTTLS where it is offered. Raises what smtplib
    raises.
    """
    arguments: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    if security == "tls":
        arguments["context"] = context
    with (smtplib.SMTP_SSL if security == "tls" else smtplib.SMTP)(host, port, **arguments) as server:
        if security == "auto":
            server.ehlo_or_helo_if_needed()
        if security == "starttls" or (security == "auto" and server.has_extn("starttls")):
            server.starttls(context=context)
        if user:
            server.login(user, password)
        return server.send_message(message)


def is_address(text: str) -> bool:
    """Whether *text* is one address, with or without a name."""
    name, at, domain = parseaddr(text)[1].rpartition("@")
    return bool(name and at and domain) and text.isprintable() and not set(" ,;<>") & set(f"{name}{domain}")


def said(answer: bytes | str) -> str:
    """What a server said, on one line."""
    return " ".join((answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer).split())
