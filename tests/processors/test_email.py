"""Mail to a real SMTP server, read back with the standard library's parser."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from dkronpy.errors import InvalidError
from dkronpy.plugins.options import resolve_secrets
from dkronpy.plugins.processor import ProcessorError
from dkronpy.processors.email import Email, EmailProcessor
from dkronpy.secret import Secret
from tests.executors.servers import Authority
from tests.processors.conftest import INFO, SUCCESS, Process
from tests.processors.sinks import silent
from tests.support import free_port


class Box:
    """Keeps what it is sent; knows nobody@, and one user."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 queued"


def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, credentials: Any) -> AuthResult:
    return AuthResult(success=(credentials.login, credentials.password) == (b"ops", b"s3cr3t"), handled=False)


class TlsController(Controller):
    """With TLS from the start, too: the library's own first visit takes the server's context for a client's."""

    def _trigger_server(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self.hostname, self.port), 5)
        with context.wrap_socket(plain) if self.ssl_context else plain as connection:
            connection.recv(1024)


Start = Callable[..., tuple[Box, int]]


@pytest.fixture
def smtp(authority: Authority) -> Iterator[Start]:
    """Starts servers: ``plain``, ``starttls`` with a user, or ``tls``."""
    running: list[Controller] = []

    def start(security: str = "plain") -> tuple[Box, int]:
        box, port = Box(), free_port()
        context = authority.server_context()
        settings: dict[str, Any] = {}
        if security == "starttls":
            settings = {
                "tls_context": context,
                "require_starttls": True,
                "auth_required": True,
                "authenticator": known,
            }
        elif security == "tls":
            settings = {"ssl_context": context}
        controller = TlsController(box, hostname="127.0.0.1", port=port, **settings)
        controller.start()
        running.append(controller)
        return box, port

    yield start
    for controller in running:
        controller.stop()


def config(port: int, **more: Any) -> dict[str, Any]:
    return {"emails": "ops@example.com, dba@example.com", "host": "127.0.0.1", "port": port, "security": "none", **more}


def test_a_failure_is_mailed_with_its_output(process: Process, smtp: Start) -> None:
    box, port = smtp()
    output = b"first\n" + b"line\n" * 50_000 + "letzte Zeile ü\n".encode()
    left = process("email", output, config(port, sender="Jobs <jobs@example.com>", subject_prefix="[prod] "))
    assert left is None, "the output stays"
    ((recipients, mail),) = box.mails
    assert recipients == ["ops@example.com", "dba@example.com"]
    assert mail["Subject"] == "[prod] backup failed on web1: exit status 3"
    assert mail["From"] == "Jobs <jobs@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == INFO.finished.replace(microsecond=0)
    body = mail.get_body()
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert "Execution: backup@2026-11-23T02:30:00.000Z.0\n" in text
    assert "Took:      9.380 s\n" in text
    assert "letzte Zeile ü" in text
    assert "first" not in text
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content() == output


def test_successes_are_mailed_when_asked_for(process: Process, smtp: Start) -> None:
    box, port = smtp()
    process("email", b"x", config(port), SUCCESS)
    assert box.mails == []
    process("email", b"", config(port, onSuccess="true"), SUCCESS)
    assert box.mails[0][1]["Subject"] == "[dkron] backup succeeded on web1"


def test_the_same_attempt_has_the_same_message_id(process: Process, smtp: Start) -> None:
    box, port = smtp()
    process("email", b"x", config(port))
    process("email", b"x", config(port))
    assert len({mail["Message-ID"] for _, mail in box.mails}) == 1


def test_starttls_and_a_user(process: Process, smtp: Start, authority: Authority, stranger: Authority) -> None:
    box, port = smtp("starttls")
    good = config(port, security="starttls", tls_ca=str(authority.ca), user="ops", password="s3cr3t")
    process("email", b"x", good)
    assert len(box.mails) == 1
    for change, said in (
        ({"password": "wrong"}, "did not take the mail: 535"),
        ({"tls_ca": str(stranger.ca)}, "cannot be trusted"),
        ({"security": "none"}, "did not take the mail"),
    ):
        with pytest.raises(ProcessorError, match=said) as caught:
            process("email", b"x", {**good, **change})
        assert "wrong" not in str(caught.value)
    assert len(box.mails) == 1


def test_tls_from_the_start(process: Process, smtp: Start, authority: Authority) -> None:
    box, port = smtp("tls")
    process("email", b"x", config(port, security="tls", tls_ca=str(authority.ca)))
    assert len(box.mails) == 1


def test_one_refused_address_is_named_and_the_others_get_theirs(process: Process, smtp: Start) -> None:
    box, port = smtp()
    with pytest.raises(ProcessorError, match=r"refused nobody@example\.com: 550 no such user"):
        process("email", b"x", config(port, emails=["nobody@example.com", "ops@example.com"]))
    assert box.mails[0][0] == ["ops@example.com"]
    with pytest.raises(ProcessorError, match=r"refused nobody@example\.com: 550"):
        process("email", b"x", config(port, emails="nobody@example.com"))


def test_no_server_or_one_that_says_nothing(process: Process) -> None:
    with pytest.raises(ProcessorError, match=r"cannot reach 127\.0\.0\.1:\d+: Connection refused"):
        process("email", b"x", config(free_port()))
    with silent() as listener, pytest.raises(ProcessorError, match=r"127\.0\.0\.1:.*timed out"):
        process("email", b"x", config(listener.getsockname()[1], timeout="200ms"))


def test_a_provider_is_a_secret_of_the_node(smtp: Start) -> None:
    box, port = smtp()
    written = {"provider": "corp", "emails": "ops@acme.io", "onSuccess": "false"}
    options = Email.from_config(written)
    assert options.provider == Secret("email/corp")
    assert Email.from_config(options.to_config()) == options
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "from": "cron@acme.io",
        "subjectPrefix": "acme: ",
        "security": "none",
    }
    asked: list[Secret] = []

    def resolver(secret: Secret) -> str:
        asked.append(secret)
        return json.dumps(settings)

    EmailProcessor().process(b"x", resolve_secrets(options, resolver)[0], INFO)
    assert asked == [Secret("email/corp")]
    assert (box.mails[0][1]["From"], box.mails[0][1]["Subject"][:6]) == ("cron@acme.io", "acme: ")


@pytest.mark.parametrize(
    "settings", ["not json: s3cr3t", '["s3cr3t"]', '{"hots": "s3cr3t"}', "{}", '{"host": ["s3cr3t"]}']
)
def test_bad_settings_are_named_without_what_is_in_them(settings: str) -> None:
    options, _ = resolve_secrets(Email(provider="corp", emails=("a@b.c",)), lambda _: settings)
    with pytest.raises(ProcessorError) as caught:
        EmailProcessor().process(b"x", options, INFO)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"host": "mail"}, "emails"),
        ({"emails": "a@b.c"}, "host"),
        ({"emails": "nobody", "host": "mail"}, "emails"),
        ({"emails": "a@b.c", "host": "mail", "sender": "x\ny@z"}, "sender"),
        ({"emails": "a@b.c", "host": "mail", "security": "ssl"}, "security"),
        ({"emails": "a@b.c", "provider": '{"host": "mail"}'}, "provider"),
    ],
)
def test_what_cannot_be_used_is_refused(process: Process, config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError, match=f"executor_config.{field}"):
        process("email", b"", config)
