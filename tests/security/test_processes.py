"""What a job's process may do: another user's rights and no more, limits that hold, no core dumps."""

from __future__ import annotations

import os
import pwd
import re
from datetime import timedelta

import pytest

from dkronpy.agent.launcher import Launcher
from dkronpy.executors.shell import Shell, ShellExecutor
from dkronpy.plugins.executor import Command, Outcome
from dkronpy.testing.harness import ExecutorHarness


def run(options: Shell) -> tuple[Outcome, str]:
    with ExecutorHarness() as harness:
        outcome, output = harness.run(ShellExecutor(), options)
    return outcome, output.decode()


def status(text: str) -> dict[str, str]:
    """What /proc/self/status says, by name."""
    return dict(re.findall(r"(?m)^(\w+):\s*(.*)$", text))


def test_another_user_has_that_users_groups_and_no_capability() -> None:
    assert os.geteuid() == 0, "only root can change users: run the tests as root, or in a virtual machine (CI does)"
    outcome, text = run(Shell("cat /proc/self/status", user="nobody"))
    assert outcome.success
    seen, user = status(text), pwd.getpwnam("nobody")
    assert set(seen["Uid"].split()) == {str(user.pw_uid)}
    assert set(seen["Gid"].split()) == {str(user.pw_gid)}
    assert set(map(int, seen["Groups"].split())) == set(os.getgrouplist("nobody", user.pw_gid))
    assert {name: int(seen[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {
        "CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0,
    }  # fmt: skip


def test_another_user_cannot_get_back() -> None:
    attempts = ["os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.kill(os.getppid(), 9)", "open('/etc/shadow')"]
    for attempt in attempts:
        outcome, text = run(Shell(("python3", "-c", f"import os; {attempt}"), user="nobody"))
        assert outcome.reason == "exit"
        assert "PermissionError" in text


def test_no_program_gives_rights_where_the_node_says_so() -> None:
    launcher = Launcher()
    launcher.start()
    command = Command(
        argv=("cat", "/proc/self/status"), env={"PATH": os.environ["PATH"]}, no_new_privs=True, user="nobody"
    )
    with launcher.launch(command) as child:
        text = b""
        while data := child.read(timeout=timedelta(seconds=20)):
            text += data
    launcher.stop(timedelta(0))
    seen = status(text.decode())
    assert seen["NoNewPrivs"] == "1"
    assert int(seen["CapBnd"], 16) == 0


def test_processor_time_is_limited() -> None:
    outcome, _ = run(Shell("while :; do :; done", cpu_limit="1s", timeout="60s"))
    assert outcome.reason == "signal"
    assert "SIGXCPU" in outcome.message or "SIGKILL" in outcome.message


def test_files_are_limited() -> None:
    outcome, text = run(Shell("head -c 100000 /dev/zero > big; stat -c %s big", cwd=_folder(), file_limit=65_536))
    assert text.split()[-1] == "65536"
    assert outcome.success, "the shell went on"


def test_a_fork_bomb_ends_at_its_limit() -> None:
    before = int(run(Shell(("sh", "-c", "ps -u nobody -L -o pid= | wc -l")))[1])
    bomb = "i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done; wait"
    outcome, text = run(Shell(bomb, user="nobody", process_limit=before + 10, timeout="20s"))
    assert not outcome.success
    assert re.search(r"[Cc]annot fork|Resource temporarily unavailable", text)
    assert "confirmed gone" in outcome.message or outcome.reason == "exit"


def test_there_are_no_core_dumps() -> None:
    assert run(Shell("ulimit -c; ulimit -Hc"))[1] == "0\n0\n"


@pytest.mark.parametrize("option", [{"cpu_limit": "soon"}, {"file_limit": "much"}, {"process_limit": -1}])
def test_limits_that_are_none_are_refused(option: dict[str, object]) -> None:
    (problem,) = Shell("true", **option).problems()  # type: ignore[arg-type]
    assert problem.field == f"executor_config.{next(iter(option))}"


def _folder() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="limits-")
