"""`dkronpy server`: the HTTP API."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.session import Session, command, pass_session, service_options
from dkronpy.errors import ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    from dkronpy.api.services import Services
    from dkronpy.settings import Settings

ROLE = "server"
MOST_PORTS = 50
MOST_DESCRIPTORS = 65_536
_STOP_SECONDS = 5
_ASK_SECONDS = 1.0


@command(
    name="server",
    short_help="Run the HTTP API.",
    example="""
    dkronpy server
    dkronpy server --address 0.0.0.0 --port 80
    """,
)
@click.option("--address", metavar="ADDRESS", help="Where it listens. [default: 127.0.0.1]")
@click.option("--port", metavar="PORT", help="The port. [default: 8080]")
@click.option("--next-port", is_flag=True, help="Take the next free port where that one is taken.")
@service_options
@pass_session
def server(session: Session, address: str | None, port: str | None, next_port: bool) -> int:
    """Serve the API until told to stop. Any number may run; each answers everything.

    On loopback it asks its own user for no token until the first one is made; anywhere else it does not start without.
    """
    session.flags.update(http_address=address, http_port=port)
    return run_server(session.settings, next_port=next_port)


def run_server(settings: Settings, *, next_port: bool = False) -> int:
    """Serve in this process until SIGTERM or SIGINT; the exit status.

    Raises ConfigError for an address that cannot be listened on or that is open to others while there is no token,
    PluginError when the extra ``web`` is missing.
    """
    from dkronpy.plugins.registry import import_extra

    uvicorn: Any = import_extra("uvicorn", extra="web", plugin="server")
    import_extra("litestar", extra="web", plugin="server")
    import_extra("prometheus_client", extra="web", plugin="server")
    from dkronpy.log import set_up_logging

    set_up_logging(ROLE, level=settings.log_level, form=settings.log_format)
    import logging

    from dkronpy.api.app import make_api
    from dkronpy.api.patience import PatientProtocol
    from dkronpy.api.services import Services
    from dkronpy.cli.pages import pages_of
    from dkronpy.client import Client
    from dkronpy.web.places import BASE

    log = logging.getLogger("dkronpy.server")
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _allow_many_connections()
    listening = listen(settings.http_address, settings.http_port, tries=MOST_PORTS if next_port else 1)
    with contextlib.closing(listening), contextlib.closing(Client(settings, who="api")) as client:
        services = Services(client, exposed=not is_loopback(settings.http_address))
        hosts, origins = words(settings.http_hosts), words(settings.http_origins)
        app = make_api(services, hosts=hosts, origins=origins, pages=pages_of(services))
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none",
            timeout_graceful_shutdown=_STOP_SECONDS, lifespan="on", http=PatientProtocol,
        )  # fmt: skip
        serving = _quiet_server(uvicorn)(config)
        services.stop = lambda: setattr(serving, "should_exit", True)
        stopping = _stop_on_signals(serving, log)
        if not _check_access(services, settings, log, stopping):
            return 0
        log.info("the API is at %s", url_of(listening))
        log.info("the pages are at %s%s/", url_of(listening), BASE)
        serving.run(sockets=[listening])
    log.info("stopped")
    return 0


def _allow_many_connections() -> None:
    """Use as many descriptors as the machine grants; what a shell hands on is often no more than 1024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; an empty one means every interface."""
    from dkronpy.cli.flower import is_loopback as only_here

    return only_here(address)


def words(text: str) -> list[str]:
    """The parts of a setting that lists several."""
    return [part.strip() for part in text.split(",") if part.strip()]


def listen(address: str, port: int, *, tries: int = 1) -> socket.socket:
    """A socket that listens there, or on one of the next ports. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number in range(port, port + tries):
        # Named, so that asyncio sees it and turns Nagle's delays off.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address, number))
            listening.listen(2048)
        except (OSError, OverflowError) as error:
            listening.close()
            reason = getattr(error, "strerror", None) or str(error)
        else:
            return listening
    raise ConfigError(
        f"http_address, http_port: cannot listen on {address}:{port}: {reason}",
        hint="choose another with --port; 0 lets the system choose",
    )


def url_of(listening: socket.socket) -> str:
    """Where a listening socket is reached."""
    address, port = listening.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _check_access(services: Services, settings: Settings, log: Any, stopping: threading.Event) -> bool:
    """Whether to serve; waits for the store where that decides. Raises ConfigError."""
    from dkronpy.api.peer import user

    said = False
    while not stopping.is_set():
        try:
            with services.store.errors():
                guarded = services.provider is not None or services.tokens.any()
        except StoreUnavailableError as error:
            if not said:
                log.error("%s; waiting for it", error)
            said = True
            stopping.wait(_ASK_SECONDS)
            continue
        if guarded:
            return True
        if services.exposed:
            raise ConfigError(
                f"http_address: {settings.http_address!r} can be reached from elsewhere, and there is no token",
                hint="make one first: dkronpy token create NAME --role admin",
            )
        log.warning(
            "NO TOKEN WAS MADE YET: every program of %s on this machine may define and run jobs, and nobody else may. "
            "`dkronpy token create NAME --role admin` makes the first one, and from then on it is asked for.",
            user(),
        )
        return True
    return False


def _stop_on_signals(serving: Any, log: Any) -> threading.Event:
    stopping = threading.Event()

    def stop(number: int, frame: Any) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        stopping.set()
        serving.handle_exit(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def _quiet_server(uvicorn: Any) -> Any:
    class Server(uvicorn.Server):  # type: ignore[misc]
        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            """Ours are set already; uvicorn's would end the process by the signal, and not with 0."""
            yield

    return Server
