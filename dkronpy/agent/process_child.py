"""What happens in the forked child of an attempt: it becomes the command, or calls the Python callable."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import resource
import signal
from typing import NoReturn

from dkronpy.agent.process_linux import drop_capabilities, gain_no_privileges, signal_on_parent_death
from dkronpy.agent.process_messages import Report, SpawnError, write_report
from dkronpy.plugins.command import Command

_SPAWN_FAILED_STATUS = 127


def run_child(command: Command, *, cwd: str, streams: list[int], report: int, shim: int) -> NoReturn:
    """Turn this freshly forked child of *shim*, the leader of a session, into *command*; never returns.

    The three *streams* become descriptors 0, 1 and 2; every other one closes as a new program begins. What
    goes wrong before that is written as a ``Report`` to *report*. Written to touch little memory: each page
    that a forked process writes to is copied, and that is most of what a run costs.
    """
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; programs expect the defaults
            signal.signal(number, signal.SIG_DFL)
        for standard, fd in enumerate(streams):
            os.dup2(fd, standard)
            os.close(fd)
        _set_limits(command)
        if command.no_new_privs:
            gain_no_privileges()
        _become_user(command)
        signal_on_parent_death(signal.SIGKILL)
        if os.getppid() != shim:
            os._exit(_SPAWN_FAILED_STATUS)
        _enter_directory(command.cwd or cwd)
        if command.callable is None:
            _become_program(command)
        from dkronpy.agent.process_callable import run_callable  # loaded where callables are run, nowhere else

        run_callable(command, report)
    except SpawnError as exc:
        write_report(report, Report(reason="spawn_failed", message=str(exc)))
    except BaseException as exc:  # noqa: BLE001 - a forked child must never return into its parent's code
        failure = f"the child process could not be prepared: {type(exc).__name__}: {exc}"
        write_report(report, Report(reason="spawn_failed", message=failure))
    os._exit(_SPAWN_FAILED_STATUS)


def _become_user(command: Command) -> None:
    """Change groups and user; the output pipes change hands too, so that /dev/stderr can be opened."""
    if command.user is None and command.group is None:
        return
    user = _find_user(command.user) if command.user is not None else None
    gid = _find_group(command.group) if command.group is not None else (user.pw_gid if user else os.getgid())
    uid = user.pw_uid if user else os.getuid()
    if (uid, gid) == (os.getuid(), os.getgid()):
        return
    who = command.user if command.group is None else f"{command.user or ''}:{command.group}"
    try:
        os.fchown(1, uid, gid)
        os.fchown(2, uid, gid)
        if user:
            os.initgroups(user.pw_name, gid)
        else:
            os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        if uid != 0:
            drop_capabilities()
    except PermissionError as exc:
        raise SpawnError(
            f"cannot run as {who!r}: the agent runs as uid {os.getuid()}, only root may change users"
        ) from exc


def _set_limits(command: Command) -> None:
    """The limits of the system; and no core dumps, since a secret may stand in one."""
    for name, value in {**command.limits, "CORE": 0}.items():
        which = getattr(resource, f"RLIMIT_{name}")
        _, most = resource.getrlimit(which)
        wanted = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (wanted, wanted))


def _find_user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isascii() and name.isdigit() else pwd.getpwnam(name)
    except KeyError as exc:
        raise SpawnError(f"unknown user {name!r}: it is not in this node's user database") from exc


def _find_group(name: str) -> int:
    try:
        return int(name) if name.isascii() and name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError as exc:
        raise SpawnError(f"unknown group {name!r}: it is not in this node's group database") from exc


def _enter_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as exc:
        raise SpawnError(f"cannot enter working directory {path!r}: {exc.strerror}") from exc


def _become_program(command: Command) -> NoReturn:
    if not command.argv:
        raise SpawnError("there is no command: argv is empty")
    name = command.argv[0]
    if any("\0" in word for word in command.argv):
        raise SpawnError(f"the arguments of {name!r} hold a NUL character, which no program can be given")
    try:
        os.execvpe(name, list(command.argv), command.env)  # noqa: S606 - a shell runs where argv names one
    except OSError as exc:
        raise SpawnError(_explain(name, exc)) from exc


def _explain(name: str, exc: OSError) -> str:
    if exc.errno == errno.ENOENT and "/" in name and os.path.exists(name):  # noqa: PTH110 - a plain stat
        return f"cannot run {name}: the interpreter that its first line names does not exist ({exc.strerror})"
    if exc.errno == errno.ENOENT:
        return f"command not found: {name} ({exc.strerror})"
    if exc.errno == errno.EACCES:
        return f"command cannot be executed: {name} ({exc.strerror})"
    return f"cannot run {name}: {exc.strerror}"
