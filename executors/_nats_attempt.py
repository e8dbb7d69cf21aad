"""One attempt at sending a message to NATS, over a connection that may have served before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from dkronpy.plugins.executor import ExecutionContext, ExecutorError, Outcome
from dkronpy.plugins.tls import client_context, fingerprint

from ._loop import Loop
from ._messaging import TOKEN, host_of, payload, time_limit
from ._nats_session import Session, connected, credentials_of, refused
from ._pool import Pool

if TYPE_CHECKING:
    from .nats import Nats

_ID = "Nats-Msg-Id"
_LONG = 1_000_000_000
_SERVER_FAULT = 500

Done = tuple[Outcome, bytes]


class Sessions:
    """The connections of a node. Safe to use from several threads."""

    def __init__(self) -> None:
        self._loop = Loop("nats")
        self._pool: Pool[Session] = Pool(self._drop)

    def __len__(self) -> int:
        return len(self._pool)

    def close(self) -> None:
        """Close the idle ones, and end the loop."""
        self._pool.close()
        self._loop.close()

    def send(self, options: Nats, context: ExecutionContext) -> Outcome:
        """Send the message of *options*. Raises ExecutorError if it was not taken."""
        limit = time_limit(options.timeout, context)
        where = ", ".join(host_of(url.strip()) for url in str(options.url).split(","))
        missing = f"no {'answer' if options.mode == 'request' else 'acknowledgement'} from {where}"
        outcome, output = self._loop.run(self._attempt(options, context), limit, context, missing)
        context.write(output)
        return outcome

    async def _attempt(self, options: Nats, context: ExecutionContext) -> Done:
        credentials = credentials_of(options)
        key = (str(options.url), options.tls_first, *map(str, credentials.items()), *fingerprint(options))
        session = self._take(key) or await connected(options, client_context(options), credentials)
        try:
            done = await session.do(_perform(session.client, options, context))
        except BaseException as error:
            self._drop(session)
            if isinstance(error, (OSError, nats.errors.Error)):
                raise refused(session.where, error) from None
            raise
        self._pool.give(key, session)
        return done

    def _take(self, key: tuple[object, ...]) -> Session | None:
        while (session := self._pool.take(key)) is not None:
            if session.usable:
                return session
            self._drop(session)
        return None

    def _drop(self, session: Session) -> None:
        self._loop.background(session.close())


async def _perform(client: Client, options: Nats, context: ExecutionContext) -> Done:
    headers = _headers(options, context)
    body = payload(options.message, options.message_base64)
    told = b""
    if options.debug:
        told = f"> {options.subject!s}: {len(body)} bytes, headers {', '.join(headers)}\n".encode()
    if len(body) > client.max_payload:
        raise nats.errors.MaxPayloadError
    sent = {"publish": _publish, "request": _request, "jetstream": _jetstream}[options.mode]
    outcome, output = await sent(client, options, body, headers)
    return outcome, told + output


def _headers(options: Nats, context: ExecutionContext) -> dict[str, str]:
    given = {name.lower() for name in options.headers}
    ours = {_ID: context.execution_id, TOKEN: str(context.token), **context.trace}
    headers = {name: value for name, value in ours.items() if name.lower() not in given}
    return headers | {name: str(value) for name, value in options.headers.items()}


async def _publish(client: Client, options: Nats, body: bytes, headers: dict[str, str]) -> Done:
    """The server answers the ping that follows the message only when it has dealt with the message."""
    await client.publish(str(options.subject), body, headers=headers)
    await client.flush(_LONG)
    if not client.is_connected:
        raise nats.errors.ConnectionClosedError
    return Outcome(success=True, message="taken by the server"), b"Result: Message successfully sent\n"


async def _request(client: Client, options: Nats, body: bytes, headers: dict[str, str]) -> Done:
    try:
        reply = await client.request(str(options.subject), body, timeout=_LONG, headers=headers)
    except nats.errors.NoRespondersError:
        raise ExecutorError(f"nobody answers to {options.subject!s}") from None
    told = reply.headers or {}
    if code := told.get("Nats-Service-Error-Code"):
        said = f"the answer is an error: {code} {told.get('Nats-Service-Error', '')}".strip()
        return Outcome(success=False, reason="executor_error", message=said), reply.data
    return Outcome(success=True, message=f"an answer of {len(reply.data)} bytes"), reply.data


async def _jetstream(client: Client, options: Nats, body: bytes, headers: dict[str, str]) -> Done:
    stream = str(options.stream) or None
    try:
        taken = await client.jetstream().publish(
            str(options.subject), body, timeout=_LONG, stream=stream, headers=headers
        )
    except nats.js.errors.NoStreamResponseError:
        raise ExecutorError(f"no stream takes {options.subject!s}") from None
    except nats.js.errors.APIError as error:
        said = f"JetStream says: {error.description} ({error.err_code})"
        raise ExecutorError(said, retryable=(error.code or 0) >= _SERVER_FAULT) from None
    except (json.JSONDecodeError, KeyError):
        raise ExecutorError(f"what answered to {options.subject!s} is not JetStream") from None
    result: dict[str, Any] = {"stream": taken.stream, "seq": taken.seq, "duplicate": bool(taken.duplicate)}
    note = ", which had it already" if taken.duplicate else ""
    message = f"stream {taken.stream}, sequence {taken.seq}{note}"
    return Outcome(success=True, message=message, result=result), b"Result: Message successfully sent\n"
