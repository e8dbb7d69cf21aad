"""A connection to one NATS server, which knows at every moment whether something has gone wrong with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import nats.errors
from nats.aio.client import Client, RawCredentials

from dkronpy.plugins.executor import ExecutorError

from ._messaging import host_of

if TYPE_CHECKING:
    from .nats import Nats

T = TypeVar("T")

_LET_IN = 5
_CLOSING = 1.0
_NOT_ALLOWED = ("authorization", "authentication", "permissions violation")


class Session:
    """A client of one server, used by one attempt at a time."""

    def __init__(self, where: str, *, wants_tls: bool) -> None:
        self.where = where
        self.client = _Client(wants_tls=wants_tls)
        self._connected = False
        self._trouble: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    @property
    def usable(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self.client.is_connected and not self._trouble.done()

    async def connect(self, url: str, **settings: Any) -> None:
        """Sign in. Raises what went wrong, the first time that it does."""
        await asyncio.wait_for(
            self.client.connect(
                url,
                name="dkronpy",
                error_cb=self._failed,
                closed_cb=self._closed,
                allow_reconnect=False,
                connect_timeout=_LET_IN,
                **settings,
            ),
            _LET_IN,
        )
        self._connected = True

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of *work*; raises at once what the server says meanwhile, or that it is gone."""
        task = asyncio.ensure_future(work)
        both: set[asyncio.Future[Any]] = {task, self._trouble}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._trouble.done():
                raise self._trouble.result()
            return task.result()
        finally:
            task.cancel()
            task.add_done_callback(_look)

    async def close(self) -> None:
        """Let go of the connection; a server that does not answer is not waited for."""
        with suppress(OSError, nats.errors.Error, asyncio.TimeoutError):
            await asyncio.wait_for(self.client.close(), _CLOSING)

    async def _failed(self, error: Exception) -> None:
        if not self._connected:
            raise error  # the client would go on trying, and in the end say only that it could not
        self._note(error)

    async def _closed(self) -> None:
        self._note(self.client.last_error or ConnectionError("the server closed the connection"))

    def _note(self, error: Exception) -> None:
        if not self._trouble.done():
            self._trouble.set_result(error)


def _look(task: asyncio.Future[Any]) -> None:
    """Look at the end of a task that nobody waits for, which asyncio would complain of otherwise."""
    if not task.cancelled():
        task.exception()


class _Client(Client):
    """The library's client, but one that wants TLS sends nothing to a server without it, and a flush is of all."""

    def __init__(self, *, wants_tls: bool) -> None:
        super().__init__()
        self._wants_tls = wants_tls

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        await super()._process_info(info, initial_connection)
        if initial_connection and self._wants_tls and not info.get("tls_required"):
            if not info.get("tls_available"):
                raise nats.errors.SecureConnWantedError
            info["tls_required"] = True

    async def flush(self, timeout: int = 10) -> None:
        """Have all that was sent acknowledged. The library alone may write its ping before a pending message."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    async def _process_pong(self) -> None:
        # Of a flush that nobody waits for any more: the library would stop reading, with a traceback in the log.
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
        else:
            await super()._process_pong()


async def connected(options: Nats, tls: ssl.SSLContext, credentials: dict[str, Any]) -> Session:
    """A session with the first server that lets us in. Raises ExecutorError that says why each of them did not."""
    failures: list[str] = []
    for url in (part.strip() for part in str(options.url).split(",")):
        scheme, mark, _ = url.partition("://")
        wants_tls = (mark and scheme == "tls") or bool(options.tls_ca or options.tls_cert or options.tls_first)
        session = Session(host_of(url), wants_tls=bool(wants_tls))
        try:
            full = url if mark else f"nats://{url}"
            await session.connect(full, tls=tls, tls_handshake_first=options.tls_first, **credentials)
        except Exception as error:  # noqa: BLE001 - whatever a server does, the next one may do better
            await session.close()
            refusal = refused(session.where, error)
            if not refusal.retryable:
                raise refusal from None
            failures.append(str(refusal))
        except BaseException:
            await session.close()
            raise
        else:
            return session
    raise ExecutorError("; ".join(failures))


def refused(where: str, error: Exception) -> ExecutorError:
    """What *error* means, in one line. A missing right is no matter of time."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ExecutorError(f"the certificate of {where} cannot be trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return ExecutorError(f"TLS with {where} failed: {str(error.reason or error).replace('_', ' ').lower()}")
    if isinstance(error, nats.errors.SecureConnWantedError):
        return ExecutorError(f"{where} offers no TLS", retryable=False)
    if isinstance(error, nats.errors.MaxPayloadError):
        return ExecutorError(f"{where} takes no message of that size", retryable=False)
    if isinstance(error, nats.errors.Error) and not isinstance(error, asyncio.TimeoutError):
        said = str(error).removeprefix("nats: ").strip("'\"")
        return ExecutorError(f"{where} says: {said}", retryable=not any(word in said.lower() for word in _NOT_ALLOWED))
    if isinstance(error, asyncio.TimeoutError):
        return ExecutorError(f"{where} does not answer")
    if isinstance(error, OSError):
        return ExecutorError(f"no connection to {where}: {error.strerror or error}")
    return ExecutorError(f"{where}: {type(error).__name__}: {error}")


def credentials_of(options: Nats) -> dict[str, Any]:
    """What the client is told of who we are. Raises ExecutorError for what cannot be used."""
    if options.creds:
        return {"user_credentials": RawCredentials(_creds(str(options.creds)))}
    if options.nkey:
        import nkeys

        try:
            nkeys.from_seed(bytearray(str(options.nkey).strip().encode())).wipe()
        except Exception as error:  # noqa: BLE001 - the library raises what its parts raise
            raise ExecutorError(f"nkey: it is not the seed of a user: {error}", retryable=False) from None
        return {"nkeys_seed_str": str(options.nkey).strip()}
    if options.token:
        return {"token": str(options.token)}
    if options.user:
        return {"user": str(options.user), "password": str(options.password)}
    return {}


def _creds(value: str) -> str:
    if "-----BEGIN" not in value:
        try:
            value = Path(value).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ExecutorError(f"creds: cannot read {value}: {why}") from None
    # The client would look for these for ever.
    if "BEGIN NATS USER JWT" not in value or "BEGIN USER NKEY SEED" not in value:
        raise ExecutorError("creds: there is no user's JWT with its seed in it", retryable=False)
    return value
