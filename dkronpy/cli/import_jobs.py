"""`dkronpy import`: the jobs of other schedulers as configuration, with a report of what could not be kept."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dkronpy.cli.configuration import counted
from dkronpy.cli.failure import say
from dkronpy.cli.output import write, write_json
from dkronpy.cli.session import Session, command, group, pass_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from dkronpy.importers.imported import Imported

LOSSES = 1


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option(
        "--strict", is_flag=True, help="End with status 1 where anything could not be kept as it was."
    )(function)
    return click.option(
        "-o", "--output", "form", type=click.Choice(("py", "json")), default="py", show_default=True,
        help="Python for config/, or JSON of jobs and report.",
    )(function)  # fmt: skip


@group(name="import")
def import_command() -> None:
    """Turn crontabs, Dkron's jobs, a Celery app's beat_schedule or Kubernetes' CronJobs into configuration."""


@command(
    name="crontab",
    short_help="Read a crontab.",
    example="""
    crontab -l | dkronpy import crontab - > config/jobs.py
    dkronpy import crontab /etc/crontab --zone Europe/Berlin
    """,
)
@click.argument("file")
@click.option(
    "--system/--user-crontab", default=None, help="Whether each line has a user. [default: by place and heading]"
)
@click.option("--user", default="", metavar="NAME", help="Whom the lines of a user's crontab run as.")
@click.option("--zone", default="", metavar="ZONE", help="The zone of the machine. [default: this machine's]")
@click.option("--node", default="", metavar="NAME", help="The node that the jobs run on. [default: any one]")
@_options
@pass_session
def crontab(
    _: Session, file: str, system: bool | None, user: str, zone: str, node: str, form: str, strict: bool
) -> int:
    """Read a crontab of a user or of the system (- for standard input): settings, MAILTO, users and % included."""
    from dkronpy.cli.times import machine_zone
    from dkronpy.importers.crontab import is_system, read_crontab
    from dkronpy.node import on_node
    from dkronpy.schedule.zones import check_zone

    text = _text(file)
    found = read_crontab(
        text,
        system=is_system(Path(file), text) if system is None else system,
        user=user,
        zone=check_zone(zone) if zone else machine_zone(),
        on=on_node(node) if node else None,
    )
    return _told(found, file, form, strict=strict)


@command(
    name="dkron",
    short_help="Read Dkron's jobs.",
    example="""
    dkronpy import dkron jobs.json > config/jobs.py
    dkronpy import dkron http://dkron:8080 > config/jobs.py
    """,
)
@click.argument("file")
@click.option("--token", envvar="DKRON_TOKEN", default="", metavar="TOKEN", help="For a server that asks for one.")
@_options
@pass_session
def dkron(_: Session, file: str, token: str, form: str, strict: bool) -> int:
    """Read Dkron's jobs, out of a file with the answer of `GET /v1/jobs` (- for standard input) or from a server."""
    from dkronpy.errors import ConfigError
    from dkronpy.importers.dkron import read_dkron

    text = _fetched(file, token) if "://" in file else _text(file)
    try:
        found = read_dkron(text)
    except ConfigError as error:
        raise ConfigError(f"{file} has no jobs of Dkron: {error}", hint=error.hint) from None
    return _told(found, file, form, strict=strict)


@command(
    name="celery-beat",
    short_help="Read a Celery app's beat_schedule.",
    example="""
    dkronpy import celery-beat shop.celery:app > config/jobs.py
    dkronpy import celery-beat shop/celeryconfig.py --broker shop/broker
    """,
)
@click.argument("file", metavar="APP")
@click.option("--broker", default="", metavar="URL", help="The broker's URL, or the name of the secret that holds it.")
@_options
@pass_session
def celery_beat(_: Session, file: str, broker: str, form: str, strict: bool) -> int:
    """Read the beat_schedule of an application (module:name) or of a file that has one. Its code is run for that."""
    from dkronpy.importers.celery_beat import read_celery

    return _told(read_celery(_loaded(file), broker=broker), file, form, strict=strict)


@command(
    name="kubernetes",
    short_help="Read Kubernetes' CronJobs.",
    example="""
    kubectl get cronjob -A -o yaml | dkronpy import kubernetes - > config/jobs.py
    dkronpy import kubernetes cronjobs.yaml --strict
    """,
)
@click.argument("file")
@_options
@pass_session
def kubernetes(_: Session, file: str, form: str, strict: bool) -> int:
    """Read CronJobs (- for standard input). YAML needs `pip install 'dkronpy[yaml]'`; JSON needs nothing."""
    from dkronpy.importers.kubernetes import read_kubernetes

    return _told(read_kubernetes(_text(file)), file, form, strict=strict)


for verb in (crontab, dkron, celery_beat, kubernetes):
    import_command.add_command(verb)


def _told(found: Imported, place: str, form: str, *, strict: bool) -> int:
    """The jobs on standard output, the report on standard error."""
    from dkronpy.fleet.source import jobs_source
    from dkronpy.job.json import encode_definition

    if form == "json":
        import json

        jobs = [json.loads(encode_definition(job)) for job in found.jobs]
        write_json(
            {"jobs": jobs, "report": [{"where": one.where, "what": one.what, "job": one.job} for one in found.losses]}
        )
    else:
        lost = [str(loss) for loss in found.losses if not loss.job]
        head = f"{counted(len(found.jobs), 'job')} out of {place}."
        write(jobs_source(found.jobs, "\n\n".join([head, *(["\n".join(lost)] if lost else [])]), found.notes()))
    for loss in found.losses:
        say(f"  {loss}")
    say(
        f"{counted(len(found.jobs), 'job')} out of {place}"
        + (f", {counted(len(found.losses), 'note')} above" if found.losses else "")
    )
    if not found.jobs or (strict and found.losses):
        return LOSSES
    return 0


def _text(file: str) -> str:
    """The text of a file, or of standard input. Raises NotFoundError, ConfigError."""
    from dkronpy.errors import ConfigError, NotFoundError

    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None


def _fetched(url: str, token: str) -> str:
    """The jobs of a live Dkron. Raises StoreUnavailableError, ConfigError."""
    import requests

    from dkronpy.errors import ConfigError, StoreUnavailableError

    address = url.rstrip("/")
    for end in ("/jobs", "/v1"):
        address = address.removesuffix(end)
    try:
        answer = requests.get(
            f"{address}/v1/jobs", headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=30
        )
    except requests.RequestException as error:
        raise StoreUnavailableError(f"no Dkron answers at {url}: {error}") from None
    if answer.status_code != 200:
        denied = answer.status_code in (401, 403)
        hint = "--token gives one that may read jobs" if denied else "is that where Dkron is? http://HOST:8080, for one"
        raise ConfigError(f"{address}/v1/jobs answers {answer.status_code}", hint=hint)
    return answer.content.decode("utf-8", "replace")  # JSON is UTF-8, whatever the headers leave open


def _loaded(place: str) -> Any:
    """The application or module that *place* names. Raises ConfigError with what its code raised."""
    from dkronpy.errors import ConfigError

    sys.path.insert(0, str(Path.cwd()))
    try:
        if place.endswith(".py"):
            return _of_file(Path(place))
        module, _, name = place.partition(":")
        found = importlib.import_module(module)
        for part in filter(None, name.split(".")):
            found = getattr(found, part)
        return found if name else _app_in(found)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - the file is a stranger's program
        raise ConfigError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)


def _of_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _app_in(module)


def _app_in(module: Any) -> Any:
    """The application in a module: its ``app`` or ``celery``, or the module itself where it is the configuration."""
    return next(
        (getattr(module, name) for name in ("app", "celery") if hasattr(getattr(module, name, None), "conf")), module
    )
