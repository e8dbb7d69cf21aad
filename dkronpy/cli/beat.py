"""`dkronpy beat`: the process that fires what is due."""

from __future__ import annotations

import gc
import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.session import Session, command, pass_session, service_options
from dkronpy.errors import StoreUnavailableError

if TYPE_CHECKING:
    from dkronpy.settings import Settings
    from dkronpy.store.connection import Store

ROLE = "beat"
ASK_SECONDS = 1.0


@command(
    name="beat",
    short_help="Run beat, which fires what is due.",
    example="""
    dkronpy beat
    dkronpy beat --url redis://10.0.0.5:6379/0 --log-format json
    """,
)
@click.option("--allow-volatile", is_flag=True, default=None, help="Use a store that may forget.")
@service_options
@pass_session
def beat(session: Session, allow_volatile: bool | None) -> int:
    """Run beat until it is told to stop. Any number may run; one leads, and the others take over within seconds.

    A store that is away is waited for; one that may forget is refused (exit status 3) without --allow-volatile.
    """
    session.flags["allow_volatile"] = allow_volatile
    return run_beat(session.settings)


def run_beat(settings: Settings) -> int:
    """Run beat in this process until SIGTERM or SIGINT; the exit status. Raises StoreRefusedError."""
    from dkronpy.log import set_up_logging

    set_up_logging(ROLE, level=settings.log_level, form=settings.log_format)
    import logging

    from celery.beat import Service

    from dkronpy.app import make_app
    from dkronpy.deployment import deployment_of
    from dkronpy.scheduler.scheduler import Scheduler

    log = logging.getLogger("dkronpy.beat")
    stopping = threading.Event()
    handlers = [stopping.set]

    def stop(number: int, _: Any) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        for handler in handlers:
            handler()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    app = make_app(settings)
    store = deployment_of(app).store
    durability = wait_for_store(store, stopping, allow_volatile=settings.allow_volatile)
    if durability is None:
        return 0
    log.info("the store at %s answers (durability %s)", store.where, durability)
    service = Service(app, scheduler_cls=Scheduler)
    handlers += [service.scheduler.stopping.set, service._is_shutdown.set]  # noqa: SLF001 - stop() would wait for us
    if stopping.is_set():
        return 0
    gc.collect()
    gc.freeze()  # a look at all that was imported, for rings, would hold up what is due by a tenth of a second
    service.start()
    log.info("stopped")
    return 0


def wait_for_store(store: Store, stopping: threading.Event, *, allow_volatile: bool) -> str | None:
    """How durable the store is, once it answers; None when told to stop before it does.

    Raises StoreRefusedError for a store that may forget, unless allowed.
    """
    import logging

    from dkronpy.store.connection import check_durability

    log = logging.getLogger("dkronpy.beat")
    said = False
    while not stopping.is_set():
        try:
            return check_durability(store, allow_volatile=allow_volatile)
        except StoreUnavailableError as error:
            if not said:
                log.error("%s; waiting for it", error)
            said = True
            stopping.wait(ASK_SECONDS)
    return None
