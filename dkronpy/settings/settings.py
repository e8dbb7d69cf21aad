"""Every setting of dkronpy: its meaning, its default, its environment variable, and where its value
came from.
"""

from __future__ import annotations

import runpy
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

import msgspec

from dkronpy.errors import ConfigError, InvalidError, Problem
from dkronpy.schedule.problems import did_you_mean
from dkronpy.settings.check import contradictions
from dkronpy.settings.notify import NotifySettings
from dkronpy.settings.redis_url import kind_of
from dkronpy.settings.values import BadValueError, is_redis, read_value

ENV_PREFIX = "DKRONPY_"
FILE_NAME = "settings.py"

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


class Settings(NotifySettings, frozen=True, kw_only=True):
    """The settings of one deployment. Durations are ``timedelta``, sizes are bytes."""

    broker_url: str = ""
    """The Celery broker, such as ``redis://10.0.0.5:6379/0``. Empty: ``dkronpy up`` starts a store of
    its own.
    """

    store_url: str = ""
    """The Redis or Valkey that holds jobs and ledger. Empty: the broker, where that is Redis."""

    store_replicas: int = 0
    """How many replicas of the store must have what is recorded before anything follows from it: no command starts,
    and no change is confirmed, that a failover could forget. Needs ``min-replicas-to-write`` of the same number there.
    """

    results_url: str = ""
    """Where finished runs are kept: ``redis://``, ``sqlite:///`` or ``postgresql://``. Empty: the store."""

    api_url: str = ""
    """A server's address, such as ``https://jobs.example.org``: commands talk to it instead of the store."""

    api_token: str = ""
    """The token that commands show to that server."""

    data_dir: str = ".dkronpy"
    """The folder of the embedded store, the agents' spools and the logs; made when it is missing."""

    key_prefix: str = "dkronpy:"
    """What every key of dkronpy in the store begins with."""

    redbeat_key_prefix: str = "redbeat:"
    """What RedBeat's keys begin with; the same as in other programs that share its schedule."""

    allow_volatile: bool = False
    """Use a store that may forget: one without an append-only file, or one that evicts keys."""

    node_name: str = ""
    """The name of this node. Empty: the host's name without its domain."""

    node_tags: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    """The tags of this node, that jobs choose nodes by: ``{"role": "web"}``, or ``role=web,dc=fra`` as
    text.
    """

    capacity: int = 8
    """How many executions an agent runs at a time."""

    allow_root: bool = False
    """Let an agent that runs as root start jobs that name no other user."""

    secrets_dir: str = ""
    """A folder with one file a secret. Empty: ``$CREDENTIALS_DIRECTORY``, or ``/run/secrets``."""

    signing_key: str = ""
    """The file with the private key (Ed25519, PEM) that signs the definitions which this process saves. Empty: they
    are not signed.
    """

    trusted_keys: str = ""
    """The public keys, files or folders separated by commas, one of which must have signed what this node runs.
    Empty: that of ``signing_key``; without either, nothing needs a signature.
    """

    executors: str = ""
    """The executors that this node offers, separated by commas. Empty: all that are installed."""

    run_as: str = ""
    """The users that jobs may run as on this node, separated by commas. Empty: any, where the agent may change
    users.
    """

    no_new_privs: bool = False
    """Let no job gain rights by set-uid programs (``sudo``), set-gid programs or file capabilities."""

    python_shim: bool = False
    """Guard attempts by the shim that is written in Python, even where that in C was compiled."""

    http_allow: str = ""
    """The loopback and link-local addresses that the ``http`` executor may visit, as networks or addresses separated
    by commas, such as ``127.0.0.0/8,::1``. Any other address needs no permission.
    """

    kill_grace: timedelta = timedelta(seconds=5)
    """What lies between TERM and KILL when an attempt is ended."""

    stop_grace: timedelta = timedelta(seconds=30)
    """How long an agent that is told to stop lets running executions go on."""

    celery_results: timedelta = timedelta(hours=1)
    """How long the copy of an outcome lives that Celery's ``AsyncResult`` reads; 0: none is made."""

    lease: timedelta = timedelta(seconds=60)
    """How long a node may run an execution without renewing its claim."""

    lease_renew: timedelta = timedelta(seconds=15)
    """How often an agent renews its claims; at most a third of ``lease``."""

    heartbeat: timedelta = timedelta(seconds=2)
    """How often an agent tells the store that its node is alive."""

    leader_ttl: timedelta = timedelta(seconds=10)
    """How long a dead leading beat keeps the others waiting."""

    tick: timedelta = timedelta(seconds=1)
    """The longest that beat sleeps between two looks at the schedule."""

    shards: int = 1
    """Into how many sorted sets the due times are spread; beats share them. Alike for every beat."""

    batch: int = 100
    """How many due jobs beat commits in one step."""

    catch_up_rate: int = 10
    """How many make-up runs start in a second at the most, over all jobs: what was missed together does not
    start together.
    """

    catch_up_budget: int = 10_000
    """How many make-up runs may wait for their turn; what was missed beyond that is recorded as skipped."""

    history_limit: int = 100
    """How many finished runs are kept for each job that does not say so itself: those that ended last."""

    revision_limit: int = 20
    """How many former revisions of each definition are kept, as long as the job lives."""

    retention: timedelta = timedelta(days=30)
    """How long finished runs are kept, within ``history_limit``."""

    failure_limit: int = 20
    """How many older runs that failed are kept for each job, beyond ``history_limit`` and ``retention``."""

    failure_retention: timedelta = timedelta(days=90)
    """How long runs that failed are kept, within ``failure_limit``."""

    log_level: LogLevel = "info"
    """The least severe message that is logged: ``debug``, ``info``, ``warning`` or ``error``."""

    log_format: LogFormat = "text"
    """``text`` for people, ``json`` for machines (one object a line)."""

    health_address: str = "127.0.0.1"
    """The address of the health endpoint of ``dkronpy up``."""

    health_port: int = 0
    """The port of the health endpoint; 0 lets the system choose a free one. Jobs find it in
    ``DKRONPY_HEALTH_URL``.
    """

    http_address: str = "127.0.0.1"
    """The address that the HTTP API listens on. Anything but loopback needs a token to be there first."""

    http_port: int = 8080
    """The port of the HTTP API; ``dkronpy up`` takes the next free one where nobody chose it. 0 lets the
    system choose.
    """

    http_hosts: str = ""
    """The host names that the HTTP API answers to beside its own, several separated by commas; ``*`` for
    any.
    """

    http_origins: str = ""
    """The pages elsewhere that browsers may let use the HTTP API, such as ``https://ops.example.org``,
    several separated by commas.
    """

    oidc_issuer: str = ""
    """The OpenID Connect provider that people sign in with, such as ``https://login.example.org``."""

    oidc_client_id: str = ""
    """What the provider calls this deployment."""

    oidc_client_secret: str = ""
    """The secret that it is known to the provider by; empty for a public client."""

    oidc_claim: str = "groups"
    """The claim that says which groups somebody is in."""

    oidc_roles: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it for each
    """The role of each group, ``*`` for everybody: ``{"ops": "admin", "*": "viewer"}``, or ``ops=admin,*=viewer`` as
    text.
    """

    oidc_session: timedelta = timedelta(hours=8)
    """How long somebody stays signed in."""

    otel_endpoint: str = ""
    """Where beat and agents send traces, OTLP over HTTP: ``http://127.0.0.1:4318``. Empty: nowhere."""

    flower_address: str = "127.0.0.1"
    """The address that Flower listens on. Anything but loopback needs a token, or ``flower_basic_auth``."""

    flower_port: int = 5555
    """The port that Flower listens on."""

    flower_url: str = ""
    """Where people reach Flower, such as ``https://ops.example.org/flower``: runs then link to their tasks there."""

    flower_basic_auth: str = ""
    """Who may log in to Flower, in place of tokens: ``name:password``, several separated by commas."""

    @property
    def node(self) -> str:
        """The node's name: ``node_name``, else the host's name without its domain."""
        return self.node_name or socket.gethostname().split(".", 1)[0].lower()

    @property
    def embedded(self) -> bool:
        """Whether the deployment brings its own store."""
        return not (self.broker_url or self.store_url)

    @property
    def effective_store_url(self) -> str:
        """The URL of the store; empty when it is embedded and not yet started."""
        return self.store_url or (self.broker_url if is_redis(self.broker_url) else "")

    @property
    def broker_key_prefix(self) -> str:
        """What stands before Celery's keys: in a Redis Cluster they have to lie in the slot of ours."""
        url = self.broker_url or self.store_url
        return self.key_prefix if is_redis(url) and kind_of(url) == "cluster" else ""

    @property
    def effective_results_url(self) -> str:
        """The URL of the results backend; empty when it is the embedded store."""
        return self.results_url or self.effective_store_url


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the value of a setting came from: ``flag``, ``env``, ``file`` or ``default``, and its name
    there.
    """

    kind: Literal["flag", "env", "file", "default"]
    place: str = ""

    def __str__(self) -> str:
        return self.place or self.kind


Sources = Mapping[str, Source]
"""For each setting, where its value came from."""


@cache
def setting_names() -> tuple[str, ...]:
    """The name of every setting: those of the deployment first, then who is told, then where Vault is."""
    groups = [kind.__struct_fields__ for kind in Settings.__mro__ if issubclass(kind, msgspec.Struct)]
    return tuple(name for group, inherited in pairwise(groups) for name in group[len(inherited) :])


def env_name(setting: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + setting.upper()


def load_settings(
    path: str | Path | None, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> tuple[Settings, Sources]:
    """The settings in force, and for each of them where it came from.

    A flag wins over the environment (``DKRONPY_<NAME>``; an empty variable counts as not set), that over
    the settings file, that over the default. ``path`` is the settings file or the folder that holds
    ``settings.py``; None, or a folder without one, means no file. ``flags`` holds what the command line
    said, without the options that were not given.

    Raises InvalidError with every value that cannot be used and every unknown name, and ConfigError
    when the file raises or is not there.
    """
    file = _settings_file(path)
    given: dict[str, tuple[Any, Source]] = {}
    problems: list[Problem] = []
    if file is not None:
        for name, value in _read_file(file, problems).items():
            given[name] = value, Source(kind="file", place=str(file))
    for name in setting_names():
        text = environ.get(env_name(name), "")
        if text:
            given[name] = text, Source(kind="env", place=env_name(name))
    for name, value in (flags or {}).items():
        if value is not None:
            given[name] = value, Source(kind="flag", place="--" + name.replace("_", "-"))
    values = _converted(given, problems)
    settings = Settings(**values)
    problems += [] if problems else contradictions(settings)
    if problems:
        raise InvalidError("settings", problems)
    default = Source(kind="default")
    return settings, {name: given[name][1] if name in given else default for name in setting_names()}


def _settings_file(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    path = Path(path)
    if path.is_dir():
        file = path / FILE_NAME
        return file if file.is_file() else None
    if not path.is_file():
        raise ConfigError(f"there is no settings file {path}", hint="give a file, or the folder that holds settings.py")
    return path


def _read_file(file: Path, problems: list[Problem]) -> dict[str, Any]:
    """What the file assigns, by the name of the setting; unknown names go to ``problems``."""
    try:
        assigned = runpy.run_path(str(file))
    except SyntaxError as error:
        raise ConfigError(f"{error.filename}:{error.lineno}: {error.msg}: {(error.text or '').strip()}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is a stranger's program
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        place = f"{file}:{own[-1].lineno}: {own[-1].line}: " if own else f"{file}: "
        raise ConfigError(f"{place}{type(error).__name__}: {error}") from None
    known = set(setting_names())
    found = {}
    for name, value in assigned.items():
        if name.startswith("_") or isinstance(value, (ModuleType, FunctionType, type)) or name == "annotations":
            continue
        if name.lower() in known:
            found[name.lower()] = value
        else:
            hint = did_you_mean(name, known) or "a name that is only a helper of the file begins with an underscore"
            problems.append(Problem(field=name, value=value, message=f"there is no such setting ({file})", hint=hint))
    return found


def _converted(given: Mapping[str, tuple[Any, Source]], problems: list[Problem]) -> dict[str, Any]:
    types = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    values = {}
    for name, (value, source) in given.items():
        if name not in types:
            problems.append(Problem(name, value, f"there is no such setting ({source})", did_you_mean(name, types)))
            continue
        try:
            values[name] = read_value(name, value, types[name])
        except BadValueError as error:
            problems.append(Problem(name, value, f"{error} (from {source})", error.hint))
    return values
