"""`dkronpy flower`: Flower on this deployment's Celery application, on loopback and read-only unless told otherwise."""

from __future__ import annotations

import ipaddress
import signal
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.session import Session, command, pass_session, service_options
from dkronpy.errors import ConfigError

if TYPE_CHECKING:
    from dkronpy.settings import Settings
    from dkronpy.store.connection import Store

ROLE = "flower"
COLUMNS = "name,uuid,state,args,received,started,runtime,worker"


@command(
    name="flower",
    short_help="Run Flower on this deployment.",
    example="""
    dkronpy flower
    dkronpy flower --port 8888
    DKRONPY_FLOWER_BASIC_AUTH=ops:secret dkronpy flower --address 0.0.0.0
    """,
)
@click.option("--address", metavar="ADDRESS", help="Where it listens. [default: 127.0.0.1]")
@click.option("--port", metavar="PORT", help="The port. [default: 5555]")
@click.option("--read-only/--no-read-only", default=True, show_default=True, help="Forbid changes through Flower.")
@click.option("--url-prefix", metavar="PREFIX", default="flower", show_default=True, help="The path of its pages.")
@service_options
@pass_session
def flower(session: Session, address: str | None, port: str | None, read_only: bool, url_prefix: str) -> int:
    """Run Flower until it is told to stop. Each task there is called job:<name>, and its id is the execution's.

    It asks for a token as the pages do: not its own user on loopback as long as there is none. flower_basic_auth
    replaces tokens.
    """
    session.flags.update(flower_address=address, flower_port=port)
    return run_flower(session.settings, read_only=read_only, url_prefix=url_prefix)


def check_exposure(settings: Settings, store: Store) -> None:
    """Raises ConfigError for an address that others can reach while nobody has to log in."""
    if settings.flower_basic_auth or is_loopback(settings.flower_address):
        return
    from dkronpy.api.tokens import Tokens

    with store.errors():
        if Tokens(store).any():
            return
    raise ConfigError(
        f"flower_address: {settings.flower_address!r} can be reached from elsewhere, and nobody has to log in",
        hint="make a token (dkronpy token create NAME --role admin), set DKRONPY_FLOWER_BASIC_AUTH=name:password, "
        "or listen on 127.0.0.1",
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; an empty one means every interface."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def run_flower(settings: Settings, *, read_only: bool, url_prefix: str) -> int:
    """Run Flower in this process until SIGTERM or SIGINT. Raises PluginError when it is not installed."""
    from dkronpy.plugins.registry import import_extra

    parts: list[Any] = [
        import_extra(f"flower.{part}", extra="flower", plugin="flower") for part in ("app", "options", "urls")
    ]
    flower_app, options, web = parts[0], parts[1].options, parts[2].settings
    from dkronpy.log import set_up_logging

    set_up_logging(ROLE, level=settings.log_level, form=settings.log_format)
    import logging

    from dkronpy.app import make_app
    from dkronpy.cli.flower_app import flower_class
    from dkronpy.cli.flower_door import FlowerDoor
    from dkronpy.clock import SystemClock

    capp = make_app(settings)
    store = capp.conf.dkronpy_deployment.store
    check_exposure(settings, store)
    prefix = "/" + url_prefix.strip("/") if url_prefix.strip("/") else ""
    exposed = not is_loopback(settings.flower_address)
    door = FlowerDoor(
        store, SystemClock(), exposed=exposed, provided=bool(settings.oidc_issuer), public=f"{prefix}/healthcheck"
    )
    made = flower_class(flower_app, None if settings.flower_basic_auth else door, pages_at(settings))
    log = logging.getLogger("dkronpy.flower")
    options.address, options.port = settings.flower_address, settings.flower_port
    options.basic_auth = [pair.strip() for pair in settings.flower_basic_auth.split(",") if pair.strip()]
    options.read_only, options.natural_time, options.tasks_columns = read_only, True, COLUMNS
    options.url_prefix = prefix.strip("/") or None
    server = made(capp=capp, options=options, **_prefixed(web, prefix))
    port = _listen(server, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.io_loop.add_callback_from_signal(server.stop))
    log.info("Flower is at http://%s:%s%s/%s", settings.flower_address, port, prefix, " (read-only)" * read_only)
    server.start()
    log.info("stopped")
    return 0


def _listen(server: Any, settings: Settings) -> int:
    try:
        return int(server.start_http_server())
    except OSError as error:
        place = f"{settings.flower_address}:{settings.flower_port}"
        raise ConfigError(
            f"flower_port: cannot listen on {place}: {error.strerror or error}", hint="choose another with --port"
        ) from None


def pages_at(settings: Settings) -> str:
    """Where our pages are: where the settings say that people find them, else where the server listens."""
    return settings.public_url.rstrip("/") or f"http://{settings.http_address}:{settings.http_port}"


def _prefixed(web: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Flower's own web settings with its links below *prefix*."""
    if not prefix:
        return dict(web)
    links = {name: f"{prefix}{web[name]}" for name in ("login_url", "static_url_prefix")}
    return {**web, **links}
