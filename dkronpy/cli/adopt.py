"""`dkronpy adopt`: the line of a crontab that `dkronpy exec` stands in becomes a job of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click import UsageError

from dkronpy.cli.failure import say
from dkronpy.cli.names import complete_job
from dkronpy.cli.output import write
from dkronpy.cli.session import Session, command, pass_session
from dkronpy.cli.times import machine_zone

if TYPE_CHECKING:
    from dkronpy.job import Job
    from dkronpy.settings import Settings

_EXEC = re.compile(r"\S*dkronpy\s+exec\s+(?P<options>.*?)\s--\s+")
_SETTING = re.compile(r"\s*[\"']?[A-Za-z_]\w*[\"']?\s*=")
_OURS = re.compile(r"\s*[\"']?DKRONPY_")


@command(
    name="adopt",
    short_help="Let dkronpy start what a crontab starts by `dkronpy exec`.",
    example="""
    dkronpy adopt backup
    dkronpy adopt backup --crontab /etc/cron.d/backup --dry-run
    """,
)
@click.argument("name", shell_complete=complete_job)
@click.option("--crontab", "file", metavar="FILE", help="The crontab. [default: that of the user, by `crontab -l`]")
@click.option("--node", metavar="NAME", help="The node that it runs on. [default: this one]")
@click.option(
    "--zone", metavar="ZONE", default="", help="The zone that its schedule is read in. [default: the machine's]"
)
@click.option("--dry-run", is_flag=True, help="Only print the job.")
@pass_session
def adopt(session: Session, name: str, file: str | None, node: str | None, zone: str, dry_run: bool) -> None:
    """Make a job of the line `... dkronpy exec --job NAME -- COMMAND` of a crontab, and put that line into a comment.

    The job keeps its name and so its history. It is saved first: should the crontab then not be written, the job runs
    twice rather than never, and the command says so.
    """
    from dkronpy.fleet.source import jobs_source

    text = Path(file).read_text() if file else _own_crontab()
    number, job = _adopted(text, name, file, session.loaded[0], node, zone)
    if dry_run:
        write(jobs_source([job], f"{name}, out of line {number} of {file or 'the crontab'}."))
        return
    place = f"line {number} of {file or 'the crontab'}"
    saved = session.client.save_job(job, why=f"adopted out of {place}")
    lines = text.splitlines(keepends=True)
    lines[number - 1] = f"# started by dkronpy since it adopted job {name}: {lines[number - 1]}"
    try:
        _put("".join(lines), file)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"error: job {name} was saved and {place} could not be put into a comment: {error}")
        raise UsageError(f"take {place} out by hand, or it runs twice") from None
    write(f"{name} {saved.what}, revision {saved.revision}; {place} is a comment now\n")


def _own_crontab() -> str:
    try:
        done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("there is no `crontab` on this machine; give --crontab FILE") from None
    if done.returncode:
        raise UsageError(f"`crontab -l` says: {done.stderr.strip() or 'nothing'}; give --crontab FILE")
    return done.stdout


def _adopted(
    text: str, name: str, file: str | None, settings: Settings, node: str | None, zone: str
) -> tuple[int, Job]:
    """The line's number and the job that it comes to. Raises NotFoundError, UsageError."""
    from msgspec.structs import replace

    from dkronpy.errors import NotFoundError
    from dkronpy.importers.crontab import is_system, read_crontab
    from dkronpy.node import on_node

    environment: list[str] = []
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _EXEC.search(line)
        if line.lstrip().startswith("#"):
            continue
        if match and re.search(rf"--job[= ]\s*[\"']?{re.escape(name)}[\"']?(\s|$)", match["options"] + " "):
            found.append((number, "\n".join([*environment, line[: match.start()] + line[match.end() :]])))
        elif _SETTING.match(line) and not _OURS.match(line):  # ours were for `dkronpy exec`, not for the command
            environment.append(line)
    where = file or "the crontab"
    if not found:
        hint = (
            f"put `{_program()} exec --job {name} --` in front of its command first,"
            f" and the line `DKRONPY_DATA_DIR={Path(settings.data_dir).absolute()}` above it"
        )
        raise NotFoundError(f"no line of {where} has `dkronpy exec --job {name} -- ...`", hint=hint)
    if len(found) > 1:
        raise UsageError(f"{len(found)} lines of {where} have --job {name}; give them names of their own")
    number, crontab = found[0]
    system = is_system(Path(file), text) if file else False
    imported = read_crontab(crontab, system=system, zone=zone or machine_zone(), on=on_node(node or settings.node))
    for loss in imported.losses:
        say(f"  line {number}: {loss.what}")
    if not imported.jobs:
        raise UsageError(f"line {number} of {where} cannot be a job")
    return number, replace(imported.jobs[0], name=name)


def _program() -> str:
    """This program as cron finds it, whose PATH does not lead here."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    found = shutil.which("dkronpy", path=os.pathsep.join(folders))
    return str(Path(found).absolute()) if found else "dkronpy"


def _put(text: str, file: str | None) -> None:
    """Write the crontab, the whole or not at all."""
    if file is None:
        subprocess.run(["crontab", "-"], input=text, text=True, check=True, capture_output=True)
        return
    path = Path(file)
    mode = path.stat().st_mode
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        aside.write(text)
        aside.flush()
        os.fsync(aside.fileno())
    Path(aside.name).chmod(mode & 0o7777)
    Path(aside.name).replace(path)
