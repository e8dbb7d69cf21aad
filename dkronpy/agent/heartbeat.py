"""Tells the store that this node is alive, and takes orders meant for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import redis

from dkronpy.node import Node
from dkronpy.store.connection import Store
from dkronpy.store.nodes import Nodes

log = logging.getLogger(__name__)


class Heartbeat:
    """One thread that reports the node every few seconds."""

    def __init__(self, nodes: Nodes, describe: Callable[[], Node], seconds: float) -> None:
        self.nodes = nodes
        self.describe = describe
        self.seconds = seconds
        self._stopped = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and tell the store that the node is down."""
        self._stopped.set()
        self._thread.join()
        try:
            node = self.describe()
            self.nodes.leave(node.name, node.instance)
        except (redis.RedisError, OSError) as error:
            log.warning("could not sign the node off: %s", error)

    def _run(self) -> None:
        while not self._stopped.wait(self.seconds):
            try:
                accepted, holder = self.nodes.report(self.describe())
            except (redis.RedisError, OSError) as error:
                if not self._away:
                    log.warning("no heartbeat reaches the store: %s; trying again every %g s", error, self.seconds)
                self._away = True
                continue
            except Exception:
                log.exception("the node could not be reported; trying again every %g s", self.seconds)
                continue
            if self._away:
                log.warning("heartbeats reach the store again")
                self._away = False
            if not accepted:
                log.error("another agent has taken this node's name: %s", holder)


class Canceller(Protocol):
    """Ends an execution that runs here."""

    def __call__(self, execution_id: str, reason: str, *, at_once: bool = False) -> bool:
        """Whether it ran here."""
        ...


class Control:
    """Listens for orders: ``cancel <execution>``, ``terminate <execution>``.

    What is missed while away comes with the next renewal.
    """

    def __init__(self, store: Store, node: str, cancel: Canceller) -> None:
        self.store = store
        self.node = node
        self.cancel = cancel
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        subscription: Any = None
        while not self._stopped.is_set():
            try:
                if subscription is None:
                    subscription = self.store.client.pubsub(ignore_subscribe_messages=True)
                    subscription.subscribe(self.store.keys.control(self.node))
                message = subscription.get_message(timeout=0.5)
            except (redis.RedisError, OSError):
                subscription = None
                self._stopped.wait(1.0)
                continue
            if message is not None:
                try:
                    self._obey(message["data"].decode("utf-8", "replace"))
                except Exception:
                    log.exception("an order could not be followed: %r", message)
        if subscription is not None:
            subscription.close()

    def _obey(self, order: str) -> None:
        verb, _, execution_id = order.partition(" ")
        if verb in {"cancel", "terminate"}:
            found = self.cancel(execution_id, "cancelled", at_once=verb == "terminate")
            log.info("told to cancel %s: %s", execution_id, "ending it" if found else "it does not run here")
        else:
            log.warning("told to do something unknown at %s: %r", time.monotonic(), order)
