"""One container through its life: its image, how it is made, its output, its end."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from dkronpy.plugins.executor import ExecutionContext, ExecutorError
from dkronpy.plugins.values import as_timedelta

from ._docker_engine import Engine, failure
from ._docker_leftovers import labels_of
from ._process import texts

if TYPE_CHECKING:
    from .docker import Docker


def name_of(context: ExecutionContext) -> str:
    """The container's name: that of the execution, as far as the engine takes its letters, and the attempt."""
    told = f"{context.execution_id}-{context.attempt}"
    plain = re.sub(r"[@:]", "-", told)
    name = re.sub(r"[^a-zA-Z0-9_.-]", "_", plain)[:200]
    if name != plain:
        name += "-" + hashlib.sha256(told.encode()).hexdigest()[:8]
    return f"dkronpy-{name}"


def fetch(engine: Engine, options: Docker, go_on: Callable[[], None]) -> None:
    """Pull the image; *go_on* raises when that is no longer wanted. Raises ExecutorError in the registry's words."""
    auth = None
    if options.registry_user:
        auth = {"username": str(options.registry_user), "password": str(options.registry_password)}
    where = {} if "@" in options.image else _tagged(options.image)
    try:
        news = engine.api.pull(**(where or {"repository": options.image}), auth_config=auth, stream=True, decode=True)
        for item in news:
            go_on()
            if "error" in item:
                raise ExecutorError(f"the image {options.image} cannot be fetched: {item['error']}")
    except APIError as error:
        said = failure(error, engine.where)
        words = str(said).removeprefix("the Docker engine says: ")
        raise ExecutorError(
            f"the image {options.image} cannot be fetched: {words}", retryable=said.retryable
        ) from error


def _tagged(image: str) -> dict[str, str]:
    name, colon, tag = image.rpartition(":")
    return {"repository": name, "tag": tag} if colon and "/" not in tag else {"repository": image, "tag": "latest"}


class Container:
    """The container called *name* on an engine."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.api: Any = engine.api
        self.name = name

    def create(self, options: Docker, context: ExecutionContext) -> None:
        """Make it, unstarted. Raises ImageNotFound; APIError for what the engine refuses."""
        facts = {name: value for name, value in context.environment({}).items() if name.startswith("DKRONPY_")}
        binds = [volume for volume in options.volumes if ":" in volume]
        limits = {"mem_limit": options.mem_limit, "memswap_limit": options.mem_limit} if options.mem_limit else {}
        if options.cpus:
            limits["nano_cpus"] = int(options.cpus * 1_000_000_000)
        self.api.create_container(
            options.image,
            list(options.command) or None,
            name=self.name,
            entrypoint=list(options.entrypoint) or None,
            environment=texts(options.env) | facts,
            volumes=[volume for volume in options.volumes if ":" not in volume],
            user=options.user or None,
            working_dir=options.cwd or None,
            labels={**options.labels, **labels_of(context)},
            host_config=self.api.create_host_config(binds=binds, network_mode=options.network or None, **limits),
        )

    def start(self) -> None:
        """Start it."""
        self.api.start(self.name)

    def state(self) -> dict[str, Any] | None:
        """Docker's ``State``; None if there is no such container."""
        try:
            state: dict[str, Any] = self.api.inspect_container(self.name)["State"]
        except NotFound:
            return None
        return state

    def last_output(self) -> bytes:
        """The last line that it has printed, as far as the engine keeps it."""
        return bytes(self.api.logs(self.name, stdout=True, stderr=True, tail=1))

    def remove(self) -> None:
        """Kill and remove it with its anonymous volumes, and look whether it is gone."""
        with suppress(NotFound):
            self.api.remove_container(self.name, force=True, v=True)
        if self.state() is not None:
            raise TimeoutError(f"the container {self.name} is still there after it was removed")

    def end(self, options: Docker) -> None:
        """Send the stop signal, wait for the grace, kill."""
        grace = as_timedelta(options.grace)
        with suppress(NotFound):
            self.api.stop(self.name, timeout=math.ceil(grace.total_seconds()) if grace else 0)
