"""Crontabs, of a user and of the system, with their settings: each line becomes a job that does what cron does.

The language is that of Debian's cron and of cronie: crontab(5) of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dkronpy.importers.imported import Gathering, Imported
from dkronpy.job import Job
from dkronpy.node import Target, any_node
from dkronpy.plugins.registry import options_by_class_name

SYSTEM_FILES = ("/etc/crontab",)
SYSTEM_FOLDER = "/etc/cron.d"
_SETTING = re.compile(r"""\s*(?P<q>["']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=q)\s*=\s*(?P<value>.*?)\s*$""")
_WRAPPERS = frozenset({"nice", "ionice", "env", "sudo", "exec", "time", "nohup", "chronic", "flock", "timeout"})
_INTERPRETERS = frozenset({"sh", "bash", "python", "python3", "php", "perl", "ruby", "node", "java", "run-parts"})
_PREPARING = frozenset({"cd", "test", "command", "if", "then", "true", "export", "source", "sleep", "exit"})
_WORD = re.compile(r"[A-Za-z][\w.-]*")
_OURS = {
    "SHELL",
    "MAILTO",
    "MAILFROM",
    "CRON_TZ",
    "TZ",
    "HOME",
    "LOGNAME",
    "USER",
    "RANDOM_DELAY",
    "CONTENT_TYPE",
    "CONTENT_TRANSFER_ENCODING",
}


@dataclass
class _Table:
    """A crontab as it is read: its settings so far, and the comment that stands right above."""

    system: bool
    user: str
    zone: str
    on: Target
    found: Gathering
    settings: dict[str, str] = field(default_factory=dict)
    comment: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


def is_system(path: Path, text: str) -> bool:
    """Whether a crontab has a user in each line: by where it lies, or by the heading that distributions give it."""
    placed = str(path) in SYSTEM_FILES or str(path.parent) == SYSTEM_FOLDER
    return placed or bool(re.search(r"^#.*\bdow\s+user(-name)?\s+command", text, re.MULTILINE | re.IGNORECASE))


def read_crontab(
    text: str,
    *,
    system: bool = False,
    user: str = "",
    zone: str = "",
    on: Target | None = None,
    taken: Iterable[str] = (),
) -> Imported:
    """The jobs of a crontab.

    With *system* each line has a user; otherwise *user* is whom all lines run as (empty: as the agent does). *zone* is
    the machine's, which lines without ``CRON_TZ`` are read in; *on* says where the jobs run; *taken* are names that
    they may not have.
    """
    table = _Table(system=system, user=user, zone=zone, on=on or any_node(), found=Gathering(taken))
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line:
            table.comment = []
        elif line.startswith("#"):
            table.comment.append(line.lstrip("# ").strip())
        elif setting := _SETTING.match(line):
            _set(table, number, setting["name"], _unquoted(setting["value"]))
            table.comment = []
        else:
            _entry(table, number, line)
            table.comment = []
    return table.found.done()


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _set(table: _Table, number: int, name: str, value: str) -> None:
    where = f"line {number}"
    table.settings[name] = value
    if name == "RANDOM_DELAY":
        table.found.lose(where, f"RANDOM_DELAY={value} has no counterpart: write `~` for a minute to spread jobs")
    elif name == "MAILFROM":
        table.found.lose(where, "MAILFROM is not kept: the sender is the setting mail_from")
    elif name == "MAILTO" and value:
        table.found.lose(
            where, f"cron mails {value} whatever a job prints; we tell them of failures and recoveries only"
        )


def _entry(table: _Table, number: int, line: str) -> None:
    where, found = f"line {number}", table.found
    count = (1 if line.startswith("@") else 5) + table.system
    parts = line.split(None, count)
    if len(parts) <= count:
        wanted = "a user and a command" if table.system else "a command"
        found.lose(where, f"left out: after the schedule {wanted} is missing: {line[:80]}")
        return
    schedule = " ".join(parts[: count - table.system])
    user = parts[count - 1] if table.system else table.user
    if schedule == "@reboot":
        found.lose(where, f"left out: @reboot has no counterpart, start it with the machine: {parts[count][:80]}")
        return
    schedule = schedule.removeprefix("-")  # cronie: do not log this
    command, payload = _command(parts[count])
    name = found.name(name_of(command))
    job = Job(
        name=name,
        run=_run(table, command, payload, user),
        schedule=schedule,
        timezone=table.settings.get("CRON_TZ") or table.zone,
        on=table.on,
        doc=" ".join(table.comment),
        **_mail(table.settings.get("MAILTO")),
    )
    if found.add(job, where):
        _explain(table, where, name, user)


def _command(text: str) -> tuple[str, str]:
    """The command, and what it gets on standard input: what follows the first ``%``, further ones being newlines."""
    parts = [part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", text)]
    return parts[0].strip(), "\n".join(parts[1:]) + "\n" if len(parts) > 1 else ""


def _run(table: _Table, command: str, payload: str, user: str) -> Any:
    shell = options_by_class_name("Shell")
    program = table.settings.get("SHELL", "/bin/sh")
    options: dict[str, Any] = {}
    env = {name: value for name, value in table.settings.items() if name not in _OURS}
    if "TZ" in table.settings:
        env["TZ"] = table.settings["TZ"]
    if env:
        options["env"] = env
    if table.settings.get("HOME"):
        options["cwd"] = table.settings["HOME"]
    if user:
        options["user"] = user
    if payload:
        options["payload"] = payload.encode()
    return shell(command if program == "/bin/sh" else (program, "-c", command), **options)


def _mail(address: str | None) -> dict[str, Any]:
    """Whom its mail goes to; an empty MAILTO tells nobody."""
    if address is None:
        return {}
    if not address:
        return {"notify": ()}
    first = address.split(",")[0].strip()
    return {"owner_email": first, "notify": tuple(f"mailto:{one.strip()}" for one in address.split(",") if one.strip())}


def _explain(table: _Table, where: str, name: str, user: str) -> None:
    """What of the surroundings is otherwise than under cron; what holds for the whole file is said once."""
    if not table.settings.get("HOME") and "home" not in table.told:
        table.told.add("home")
        table.found.lose(
            where,
            "cron starts commands in the home folder of their user, an agent in its own: set cwd where it matters",
        )
    if not (table.settings.get("CRON_TZ") or table.zone) and "zone" not in table.told:
        table.told.add("zone")
        table.found.lose(
            where,
            "the zone of the machine is not known, the schedules are read in UTC: set timezone, or import with --zone",
        )
    if user and user != "root" and "user" not in table.told:
        table.told.add("user")
        table.found.lose(where, f"to run as {user} the agent has to run as root", name)


def name_of(command: str) -> str:
    """What a job is called after its command: the program, without what only wraps it or prepares its way."""
    for simple in re.split(r"&&|\|\||[;|&()]", command):
        words = simple.split()
        while words and ("=" in words[0] or words[0].rpartition("/")[2] in _WRAPPERS):
            wrapper = words.pop(0)
            while "=" not in wrapper and words and not _starts_program(words):
                words.pop(0)
        program = words[0].rpartition("/")[2] if words else ""
        if program in _INTERPRETERS:
            words = [word for word in words[1:] if not word.startswith("-")]
            program = words[0].rpartition("/")[2] if words else program
        if _WORD.fullmatch(program) and program not in _PREPARING:
            return re.sub(r"\.(sh|py|pl|rb|php|js)$", "", program)
    return "cron"


def _starts_program(words: list[str]) -> bool:
    """Whether what wraps a command has no more options before it: neither flags, nor their values, nor its own file."""
    first = words[0]
    later = any(not word.startswith("-") for word in words[1:])
    return not (later and (first.startswith("-") or first[:1].isdigit() or "lock" in first))
