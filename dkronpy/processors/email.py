"""Mails a report of each failed attempt, or of every one, with the output attached."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, ClassVar, Literal

from dkronpy.errors import Problem
from dkronpy.plugins.mail import Refused, is_address, said, send_mail
from dkronpy.plugins.options import doc
from dkronpy.plugins.processor import ExecutionInfo, Processor, ProcessorError
from dkronpy.plugins.values import Text

from ._connection import TlsOptions, naming, seconds, tls_context
from ._report import headline, last_lines, particulars
from ._settings import named, settings_of

PORTS = {"starttls": 587, "tls": 465, "none": 25}
_KEYS = {
    "host": "host", "port": "port", "username": "user", "user": "user", "password": "password", "from": "sender",
    "sender": "sender", "subjectPrefix": "subject_prefix", "subject_prefix": "subject_prefix", "security": "security",
}  # fmt: skip


class Email(TlsOptions, frozen=True, kw_only=True):
    """Who is told, and the server that brings it: ``Email(provider="corp", emails="ops@example.com")``."""

    plugin: ClassVar[str] = "email"

    emails: Annotated[tuple[str, ...], doc("Who gets it: a list, or addresses with commas.")]
    provider: Annotated[
        Text,
        named("email"),
        doc("The server's settings by name: the secret `email/<name>` of the node, a JSON object."),
    ] = ""
    host: Annotated[str, doc("The server, where no provider is named.")] = ""
    port: Annotated[int, doc("Its port; by default 587, with `tls` 465, with `none` 25.")] = 0
    user: Annotated[Text, doc("The user, where the server wants one.")] = ""
    password: Annotated[Text, doc("The user's password.")] = ""
    sender: Annotated[str, doc("The sender's address.", dkron="from")] = ""
    subject_prefix: Annotated[str, doc("What the subject begins with.", dkron="subjectPrefix")] = "[dkron] "
    security: Annotated[Literal["starttls", "tls", "none"], doc("How the connection is protected.")] = "starttls"
    on_success: Annotated[bool, doc("Send one for successes as well.", dkron="onSuccess")] = False
    forward: Annotated[bool, doc("Pass the output on to the next processor and to the history.")] = True

    def check(self) -> Iterator[Problem]:
        """There must be somebody to send to, and a server to send by."""
        yield from super().check()
        if not self.emails:
            yield self.problem("emails", "there is nobody to send to")
        for address in (*self.emails, *filter(None, [self.sender])):
            if not is_address(address):
                name = "sender" if address == self.sender else "emails"
                yield self.problem(name, f"{address!r} is no address; the form is name@example.com")
        if not self.provider and not self.host:
            yield self.problem("host", "neither a host nor a provider is given", "give one of them")


class EmailProcessor(Processor[Email]):
    """Mails a report with the end of the output in it and all of it attached; as a rule of failures only."""

    options = Email

    def process(self, output: bytes, options: Email, info: ExecutionInfo) -> bytes | None:
        """Send the mail; an address that the server refuses is a failure, though the others get theirs."""
        if info.success and not options.on_success:
            return None
        ready = _with_provider(options)
        message = _message(output, ready, info)
        where = f"{ready.host}:{ready.port or PORTS[ready.security]}"
        with naming(where):
            try:
                refused = _send(message, ready)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            except smtplib.SMTPException as error:
                raise ProcessorError(f"{where} did not take the mail: {_words(error)}") from None
        if refused:
            whom, (code, why) = next(iter(refused.items()))
            raise ProcessorError(f"{where} refused {whom}: {code} {said(why)}")
        return options.instead(f"Output mailed to {', '.join(options.emails)}")


def _with_provider(options: Email) -> Email:
    settings = settings_of(options.provider, _KEYS)
    if wrong := [name for name, value in settings.items() if not isinstance(value, (str, int))]:
        raise ProcessorError(f"the settings have a {wrong[0]!r} that is no text")
    ready = options.but(provider="", **settings)
    problems = [problem for problem in ready.problems() if not problem.field.endswith("emails")]
    if problems or not ready.host:
        raise ProcessorError("the settings under the provider's name cannot be used: a host at least is needed")
    return ready


def _message(output: bytes, options: Email, info: ExecutionInfo) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(f"{options.subject_prefix}{headline(info)}".split())[:200]
    message["From"] = options.sender or Address("dkronpy", "dkronpy", "localhost")
    message["To"] = ", ".join(options.emails)
    message["Date"] = format_datetime(info.finished)
    message["Message-ID"] = f"<{info.id.replace('@', '.').replace(':', '')}@dkronpy>"
    message["Auto-Submitted"] = "auto-generated"
    facts = [f"{name + ':':<11}{value}" for name, value in particulars(info)]
    body = "\n".join([headline(info), "", *facts, "", last_lines(output, most=100, characters=20_000), ""])
    message.set_content(body)
    if output:
        message.add_attachment(output, maintype="application", subtype="octet-stream", filename="output.txt")
    return message


def _send(message: EmailMessage, options: Email) -> Refused:
    return send_mail(
        message, options.host, options.port or PORTS[options.security], security=options.security,
        context=None if options.security == "none" else tls_context(options), user=str(options.user),
        password=str(options.password), timeout=seconds(options),
    )  # fmt: skip


def _words(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {said(error.smtp_error)}"
    return " ".join(str(error).split())
