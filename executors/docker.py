"""Runs a container on a Docker engine: its output is streamed, its exit code decides, and it never stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from dkronpy.errors import Problem
from dkronpy.plugins.codes import RetryCodes, SkipCodes
from dkronpy.plugins.executor import ExecutionContext, Executor, Outcome
from dkronpy.plugins.options import doc
from dkronpy.plugins.registry import import_extra
from dkronpy.plugins.tls import TlsOptions
from dkronpy.plugins.values import Duration, Text, as_timedelta, read_duration

from ._docker_values import (
    read_cpus,
    read_host,
    read_image,
    read_labels,
    read_line,
    read_volumes,
)
from ._process import Env, MemoryLimit, Statuses, Timeout, User

if TYPE_CHECKING:
    from ._docker_engine import Engines

Pull = Literal["missing", "always", "never"]


def _reads(reader: Any, kind: str) -> msgspec.Meta:
    return msgspec.Meta(extra={"read": reader, "kind": kind})


_IMAGE = _reads(read_image, "text")
_LINE = _reads(read_line, "text or list of text")
_VOLUMES = _reads(read_volumes, "list of text")
_LABELS = _reads(read_labels, "table of text")
_CPUS = _reads(read_cpus, "number")
_HOST = _reads(read_host, "text")


class Docker(TlsOptions, frozen=True):
    """A container: ``Docker("python:3.12-slim", "python /app/run.py", volumes=["/srv/app:/app:ro"])``."""

    plugin: ClassVar[str] = "docker"

    image: Annotated[str, _IMAGE, doc("The image, as `docker run` takes it.")]
    command: Annotated[
        str | tuple[str, ...],
        _LINE,
        doc("What runs in it instead of the image's command: a line (no shell), or a list."),
    ] = ()
    entrypoint: Annotated[str | tuple[str, ...], _LINE, doc("Instead of the image's entrypoint.")] = ()
    env: Annotated[Env, doc("Variables, on top of the image's. As text: `NAME=value,NAME2=value2`.")] = {}  # noqa: RUF012 - msgspec copies it for each
    volumes: Annotated[
        tuple[str, ...], _VOLUMES, doc("`/host:/container[:ro]`, or `name:/container`; several with commas.")
    ] = ()
    network: Annotated[str, doc("A network of the engine, `host` or `none`; by default the engine's own.")] = ""
    user: Annotated[User, doc("Whom it runs as, instead of the image's user.")] = ""
    cwd: Annotated[str, doc("The folder in it where it starts.")] = ""
    mem_limit: Annotated[MemoryLimit, doc("Memory, without swap; above it, it is killed. `512MB`, `1.5GB`.")] = None
    cpus: Annotated[float, _CPUS, doc("How many processors' time it may use, as `0.5`. 0 is no limit.")] = 0.0
    labels: Annotated[dict[str, str], _LABELS, doc("Labels of the container, beside ours.")] = {}  # noqa: RUF012
    pull: Annotated[Pull, doc("When the image is fetched from its registry.")] = "missing"
    registry_user: Annotated[Text, doc("Who signs in at the registry; by default the agent's `docker login`.")] = ""
    registry_password: Annotated[Text, doc("The password for it.")] = ""
    timeout: Annotated[
        Timeout, doc("For everything, fetching the image included; then it is stopped. 0 is no limit.")
    ] = None
    grace: Annotated[Duration, doc("What it has between the stop signal and KILL.")] = timedelta(seconds=5)
    success_codes: Annotated[Statuses, doc("The exit statuses that are a success, as `0,1,2`.")] = (0,)
    skip_codes: SkipCodes = ""
    retry_codes: RetryCodes = ""
    host: Annotated[
        str, _HOST, doc("The engine: `unix:///path` or `tcp://host:port`; by default the agent's `DOCKER_HOST`.")
    ] = ""

    @classmethod
    def verbatim(cls, config: Mapping[str, Any]) -> Mapping[str, str]:
        """What a template pastes into a line could become another word; in a list it cannot."""
        lines = [name for name in ("command", "entrypoint") if isinstance(config.get(name), str)]
        return dict.fromkeys(lines, "write it as a list of words")

    @classmethod
    def missing(cls, name: str) -> str:
        """An image is all that is required."""
        return f"{name} is empty"

    def check(self) -> Iterator[Problem]:
        """An image must be there, and what belongs together must be given together."""
        yield from super().check()
        if not self.image:
            yield self.problem("image", self.missing("image"))
        for name in ("command", "entrypoint", "cwd", "network"):
            if "\0" in "".join(getattr(self, name)):
                yield self.problem(name, "it holds a NUL character, which no program can be given")
        if self.cwd and not self.cwd.startswith("/"):
            yield self.problem("cwd", "a folder in the container begins with /")
        if not self.success_codes:
            yield self.problem("success_codes", "no exit status would be a success", "leave it out for 0")
        if bool(self.registry_user) != bool(self.registry_password):
            name = "registry_password" if self.registry_user else "registry_user"
            yield self.problem(name, "registry_user and registry_password belong together; one is missing")
        if read_duration(self.grace) < timedelta(0):
            yield self.problem("grace", "it is below zero; accepted: 0s (KILL at once) and above")
        uses_tls = self.tls_ca or self.tls_cert or self.tls_no_verify
        if uses_tls and not self.host.startswith(("tcp:", "https:")):
            name = next(name for name in ("tls_ca", "tls_cert", "tls_no_verify") if getattr(self, name))
            yield self.problem(name, "it means nothing without a host by TCP", "add host: tcp://engine:2376")


class DockerExecutor(Executor[Docker]):
    """Runs containers through clients that are kept between attempts.

    *patience* is how long an engine may be away before a container counts as lost.
    """

    options = Docker

    def __init__(self, patience: timedelta = timedelta(seconds=60)) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._kept: Engines | None = None

    def close(self) -> None:
        """Close the kept connections."""
        if self._kept is not None:
            self._kept.close()

    def execute(self, options: Docker, context: ExecutionContext) -> Outcome:
        """Run the container to its end; what it prints is the output, its exit status the exit code.

        Raises ExecutorError where there is no engine, no image, or the engine refuses; PluginError
        without the package ``docker``.
        """
        engines = self._engines()
        from ._docker_run import ContainerRun

        limit = as_timedelta(options.timeout)
        return ContainerRun(options, context, engines, limit, self._patience.total_seconds()).run()

    def recover(self, node: str, options: Docker | None = None) -> list[str]:
        """Remove the containers that an agent of *node* left behind when it died; their names.

        This happens by itself before the first container on each engine. *options* say which engine.
        Raises ExecutorError where the engine does not answer.
        """
        engines = self._engines()
        from ._docker_leftovers import remove_leftovers

        with engines.use(options or Docker(image="any")) as engine:
            return remove_leftovers(engine, node, engines.running)

    def _engines(self) -> Engines:
        import_extra("docker", extra="docker", plugin="docker")
        from ._docker_engine import Engines

        with self._lock:
            if self._kept is None:
                self._kept = Engines()
            return self._kept
