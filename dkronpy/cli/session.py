"""What every command works with: the settings in force, where they came from, and a client of the deployment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dkronpy.errors import ConfigError, InvalidError, NotFoundError, Problem, StoreUnavailableError, needs_store

if TYPE_CHECKING:
    from dkronpy.client import Client
    from dkronpy.settings import Settings, Sources

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

STORE_URL_FILE = "store.url"
"""Below ``data_dir``: the unix:// URL of the embedded store; `dkronpy up` writes it (mode 0600)."""
CONFIG_VARIABLE = "DKRONPY_CONFIG"
DEFAULT_CONFIG = "config"
OPTIONS = {
    "--store-url": "--url",
    "--api-url": "--url",
    "--node-name": "--name",
    "--node-tags": "--tag",
    "--http-address": "--address",
    "--http-port": "--port",
    "--flower-address": "--address",
    "--flower-port": "--port",
}
"""What an option is called on the command line where that is not the name of its setting."""


def embedded_url(settings: Settings) -> str | None:
    """The URL of the embedded store that `dkronpy up` runs in ``data_dir``; None where none was started."""
    try:
        text = (Path(settings.data_dir) / STORE_URL_FILE).read_text()
    except OSError:
        return None
    return text.strip() or None


@dataclass
class Session:
    """One invocation of the command line. Nothing is read and nothing is connected to before it is asked for."""

    config: str | None = None
    url: str | None = None
    debug: bool = False
    flags: dict[str, Any] = field(default_factory=dict)
    """Settings that a command's own options gave; set them before ``settings`` is asked for."""
    _client: Client | None = None

    @property
    def config_path(self) -> str | None:
        """The configuration in force: the flag, the environment, or ``config/`` where there is one."""
        given = self.config or os.environ.get(CONFIG_VARIABLE)
        if given:
            return given
        return DEFAULT_CONFIG if Path(DEFAULT_CONFIG).is_dir() else None

    @cached_property
    def loaded(self) -> tuple[Settings, Sources]:
        """The settings as they were given, and where each came from; see ``settings``."""
        from dkronpy.settings import load_settings

        flags = {**self.flags, **_given_url(self.url)}
        try:
            settings, sources = load_settings(_settings_place(self.config_path), os.environ, flags)
        except InvalidError as error:
            raise InvalidError(error.subject, [_as_typed(problem) for problem in error.problems]) from None
        return settings, {name: replace(one, place=OPTIONS.get(one.place, one.place)) for name, one in sources.items()}

    @property
    def sources(self) -> Sources:
        """Where the value of each setting came from."""
        return self.loaded[1]

    @cached_property
    def settings(self) -> Settings:
        """The settings in force, with the address of the embedded store where the deployment brings its own.

        Raises StoreUnavailableError when there is none to talk to.
        """
        settings, _ = self.loaded
        if not settings.embedded:
            return settings
        url = embedded_url(settings)
        if url is None and settings.api_url:
            raise needs_store(settings.api_url)
        if url is None:
            raise StoreUnavailableError(
                f"no store is set, and none was started from {settings.data_dir}/",
                hint="start one with `dkronpy up`, or name one: export DKRONPY_STORE_URL=redis://HOST:6379/0",
            )
        import msgspec

        return msgspec.structs.replace(settings, store_url=url)

    @property
    def client(self) -> Client:
        """The deployment, by way of a server where one is set (``DKRONPY_API_URL``), else of its store."""
        if self._client is None:
            self._client = self._connected()
        return self._client

    def _connected(self) -> Client:
        """A client of the server that is set, else of the store."""
        settings = self.loaded[0]
        if settings.api_url:
            from dkronpy.remote.client import Client as RemoteClient

            return RemoteClient(settings.api_url, token=settings.api_token, who=_who())
        from dkronpy.client import Client

        return Client(self.settings, who=_who())

    @property
    def reachable(self) -> bool:
        """Whether an address of a store is known at all."""
        settings, _ = self.loaded
        return bool(settings.api_url) or not settings.embedded or embedded_url(settings) is not None

    def origin_of_address(self, message: str) -> str:
        """Where the address that a message about an outage names came from; '' where that is not known."""
        try:
            settings, sources = self.loaded
        except ConfigError:
            return ""
        if settings.results_url and "results" in message:
            return str(sources["results_url"])
        return self.store_origin()

    def store_origin(self) -> str:
        """Where the address of the store came from; '' where no settings could be read."""
        try:
            settings, sources = self.loaded
        except ConfigError:
            return ""
        if settings.api_url:
            return str(sources["api_url"])
        name = "store_url" if settings.store_url else "broker_url"
        if settings.embedded:
            place = Path(settings.data_dir) / STORE_URL_FILE
            return str(place) if place.exists() else ""
        return str(sources[name])

    def require_config(self, path: str | None = None) -> str:
        """The configuration to load jobs from. Raises NotFoundError where none is given and there is no ``config/``."""
        found = path or self.config_path
        if found is None:
            raise NotFoundError(
                "there is no configuration: no --config, no DKRONPY_CONFIG, and no folder config/ here",
                hint="name a file or a folder",
            )
        return found

    def close(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            self._client.close()
            self._client = None


def global_options(function: FunctionT) -> FunctionT:
    """The options that every command takes, before its name and after it; they land in the session."""
    for option in (
        click.option("--debug", is_flag=True, default=None, hidden=True, expose_value=False, callback=_keep),
        click.option(
            "--url", metavar="URL", expose_value=False, callback=_keep,
            help="The store to talk to (redis://, unix://), or a server (https://).",
        ),
        click.option(
            "--config", metavar="PATH", expose_value=False, callback=_keep,
            help="The configuration: a folder, a file or a dotted module. [default: config]",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def service_options(function: FunctionT) -> FunctionT:
    """The options of every service; they count as flags over the settings."""
    for name, metavar, text in (
        ("log_format", "text|json", "How it logs."),
        ("log_level", "LEVEL", "The least severe message that is logged: debug, info, warning, error."),
    ):
        option = click.option(
            "--" + name.replace("_", "-"), metavar=metavar, help=text, expose_value=False, callback=_keep_flag
        )
        function = option(function)
    return function


def command(*, example: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with the global options and, at the end of its help, *example* (several lines: several examples)."""
    examples = "\b\nExamples:\n" + "\n".join(f"  {line.strip()}" for line in example.strip().splitlines())

    def decorate(function: Callable[..., Any]) -> click.Command:
        make: Any = click.command(epilog=examples, **attributes)
        made: click.Command = make(global_options(function))
        return made

    return decorate


def _given_url(url: str | None) -> dict[str, str]:
    """The settings that ``--url`` stands for: a server's address or a store's, whatever is set elsewhere."""
    if not url:
        return {}
    return {"api_url": url} if url.startswith(("http://", "https://")) else {"store_url": url, "api_url": ""}


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and parameter.name:
        setattr(context.ensure_object(Session), parameter.name, value)
    return value


def _keep_flag(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and parameter.name:
        context.ensure_object(Session).flags[parameter.name] = value
    return value


pass_session = click.make_pass_decorator(Session, ensure=True)
"""Hands the session to a command as its first argument."""


def _settings_place(config: str | None) -> Path | None:
    """The settings file or the folder that has it, for a configuration that may also be a file of jobs or a module."""
    if config is None:
        return None
    path = Path(config)
    if path.is_dir() or path.name == "settings.py":
        return path
    if path.is_file():
        return path.parent
    if all(part.isidentifier() for part in config.split(".")) and not config.endswith(".py"):
        return None
    raise ConfigError(f"there is no configuration {config}", hint="give a folder, a file or a dotted module")


def _as_typed(problem: Problem) -> Problem:
    """The problem with the option's name as it was typed, not as the setting is called."""
    message = problem.message
    for setting, option in OPTIONS.items():
        message = message.replace(f"(from {setting})", f"(from {option})")
    return replace(problem, message=message)


def _who() -> str:
    import getpass

    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user without a name, as containers have them
        return "command line"


def group(**attributes: Any) -> Callable[[Callable[..., Any]], click.Group]:
    """A noun with its verbs."""

    def decorate(function: Callable[..., Any]) -> click.Group:
        make: Any = click.group(no_args_is_help=True, **attributes)
        made: click.Group = make(global_options(function))
        return made

    return decorate
