"""Mails each message."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, ClassVar, Literal

from dkronpy.errors import Problem
from dkronpy.plugins.executor import ExecutorError
from dkronpy.plugins.mail import is_address, said, send_mail
from dkronpy.plugins.notifier import Message, Notifier, NotifierError
from dkronpy.plugins.options import doc
from dkronpy.plugins.tls import client_context
from dkronpy.plugins.values import Text

from ._connection import TlsOptions
from ._template import problem_of, rendered

PORTS = {"auto": 25, "starttls": 587, "tls": 465, "none": 25}


class Email(TlsOptions, frozen=True, kw_only=True):
    """Who gets it, and the server that brings it: ``Email(emails="ops@example.com", host="mail.example.com")``."""

    plugin: ClassVar[str] = "email"

    emails: Annotated[tuple[str, ...], doc("Who gets it: a list, or addresses with commas.")]
    host: Annotated[str, doc("The server.")]
    port: Annotated[int, doc("Its port; by default 25, with `starttls` 587, with `tls` 465.")] = 0
    user: Annotated[Text, doc("The user, where the server wants one.")] = ""
    password: Annotated[Text, doc("The user's password; best a secret.")] = ""
    sender: Annotated[str, doc("The sender's address.", dkron="from")] = ""
    subject_prefix: Annotated[str, doc("What the subject begins with.", dkron="subjectPrefix")] = "[dkronpy] "
    security: Annotated[
        Literal["auto", "starttls", "tls", "none"],
        doc("How the connection is protected; `auto` takes STARTTLS where it is offered."),
    ] = "starttls"
    payload: Annotated[str, doc("A template for the text.")] = ""

    def check(self) -> Iterator[Problem]:
        """Addresses and template must be usable."""
        yield from super().check()
        if not self.emails:
            yield self.problem("emails", "there is nobody to send to")
        for name, addresses in (("emails", self.emails), ("sender", (self.sender,) if self.sender else ())):
            for address in addresses:
                if not is_address(address):
                    yield self.problem(name, f"{address!r} is no address; the form is name@example.com")
        if self.payload and (wrong := problem_of(self.payload)):
            yield self.problem("payload", wrong)


class EmailNotifier(Notifier[Email]):
    """One mail a message, with the same ``Message-ID`` if it is sent again."""

    options = Email

    def send(self, message: Message, options: Email) -> None:
        """Send it; that the server refuses one address is a failure, though the others have got theirs."""
        where = f"{options.host}:{options.port or PORTS[options.security]}"
        try:
            refused = send_mail(
                _mail(message, options), options.host, options.port or PORTS[options.security],
                security=options.security, context=client_context(options) if options.security != "none" else None,
                user=str(options.user), password=str(options.password), timeout=options.seconds,
            )  # fmt: skip
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPResponseException as error:
            raise NotifierError(
                f"{where} did not take the mail: {error.smtp_code} {said(error.smtp_error)}",
                retryable=error.smtp_code < 500,
            ) from None
        except ssl.SSLError as error:
            raise NotifierError(f"TLS with {where} failed: {error.reason or error}") from None
        except TimeoutError:
            raise NotifierError(f"{where} did not answer in time") from None
        except (smtplib.SMTPException, ExecutorError, OSError) as error:
            raise NotifierError(f"cannot mail by {where}: {' '.join(str(error).split())}") from None
        if refused:
            whom, (code, reason) = next(iter(refused.items()))
            everybody = len(refused) == len(options.emails)
            raise NotifierError(f"{where} refused {whom}: {code} {said(reason)}", retryable=everybody and code < 500)


def _mail(message: Message, options: Email) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = " ".join(f"{options.subject_prefix}{message.subject}".split())[:200]
    mail["From"] = options.sender or Address("dkronpy", "dkronpy", "localhost")
    mail["To"] = ", ".join(options.emails)
    mail["Date"] = format_datetime(message.notices[-1].at)
    mail["Message-ID"] = f"<{message.id}@dkronpy>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(rendered(options.payload, message) if options.payload else message.text + "\n")
    return mail
