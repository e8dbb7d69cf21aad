"""Python callables in the forked child: results, exceptions, ways out, and what they are handed."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dkronpy.agent.launcher import Exit, Launcher, find_processes
from tests.support import wait_until

from .conftest import MakeCommand, Run, finish, read_until

SYS_PATH = (str(Path(__file__).parent),)
CONTEXT = {
    "execution_id": "e",
    "run_id": "r",
    "job": "nightly",
    "node": "web1",
    "due": datetime(2026, 3, 29, 2, 30, tzinfo=timezone.utc).isoformat(),
    "attempt": 2,
    "token": 7,
}


@pytest.fixture
def call(run: Run) -> Any:
    """Calls a function of callables.py to its end."""

    def call_to_end(name: str, *args: Any, **fields: Any) -> tuple[bytes, Exit]:
        return run(callable=f"callables:{name}", args=args, sys_path=SYS_PATH, **fields)

    return call_to_end


def test_a_result_and_its_output(call: Any) -> None:
    output, ended = call("add", 2, kwargs={"right": 3})
    assert (output, ended.result, ended.code, ended.reason) == (b"adding 2 and 3\n", 5, 0, "")
    assert ended.confirmed_gone


def test_an_exception_is_an_error_with_its_traceback_in_the_output(call: Any) -> None:
    output, ended = call("fail", "too bad")
    assert (ended.reason, ended.code, ended.message) == ("executor_error", 1, "ValueError: too bad")
    assert b"Traceback" in output
    assert b"callables.py" in output
    assert output.endswith(b"ValueError: too bad\n")


@pytest.mark.parametrize(("code", "status", "output"), [(None, 0, b""), (0, 0, b""), (3, 3, b""), ("bye", 1, b"bye\n")])
def test_sys_exit_is_an_exit_status(call: Any, code: Any, status: int, output: bytes) -> None:
    said, ended = call("leave", code)
    assert (said, ended.code, ended.reason, ended.result) == (output, status, "", None)


def test_os_exit_is_an_exit_status(call: Any) -> None:
    output, ended = call("vanish", 9)
    assert (output, ended.code, ended.reason, ended.result) == (b"going", 9, "", None)


def test_results_that_have_no_json_form_come_as_text(call: Any) -> None:
    assert call("unprintable")[1].result == "<class 'set'>"
    assert call("long_text")[1].result == '"' + "x" * 63_999
    assert call("moment")[1].result == "2026-03-29T02:30:00Z"


def test_a_coroutine_and_a_nested_function(call: Any) -> None:
    assert call("later")[1].result == "from a coroutine"
    assert call("Nested.method")[1].result == "nested"


def test_threads_that_the_function_leaves_may_finish(call: Any) -> None:
    output, ended = call("leave_a_thread")
    assert (output, ended.result, ended.code) == (b"thread done\n", "main done", 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "cannot import 'no_such_module:f': there is no module 'no_such_module'"),
        ("callables:no_such", "cannot find 'callables:no_such': callables has no 'no_such'"),
        ("callables:not_callable", "cannot call 'callables:not_callable': it is a int"),
    ],
)
def test_a_callable_that_does_not_exist(run: Run, name: str, message: str) -> None:
    output, ended = run(callable=name, sys_path=SYS_PATH)
    assert (output, ended.reason, ended.code) == (b"", "spawn_failed", None)
    assert message in ended.message


def test_a_module_that_raises_is_the_users_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_dependency\n")
    output, ended = run(callable="broken:f", sys_path=(str(tmp_path),))
    assert (ended.reason, b"no_such_dependency" in output) == ("executor_error", True)


def test_surroundings_are_those_of_a_program_of_its_own(call: Any, execution_id: str, tmp_path: Path) -> None:
    _, ended = call("surroundings", env={"WORD": "x"}, cwd=str(tmp_path))
    assert ended.result["env"] == {
        "PATH": os.environ["PATH"],
        "DKRONPY_EXECUTION_ID": execution_id,
        "WORD": "x",
    }
    assert ended.result["cwd"] == str(tmp_path)
    assert ended.result["fds"] == 5  # 0, 1, 2, the one for the result, and the one that lists them


def test_standard_input(call: Any) -> None:
    assert call("read_input", stdin="grüß".encode())[1].result == "grüß"


def test_output_is_streamed_line_by_line_and_the_process_is_found_by_its_execution(
    launcher: Launcher, command: MakeCommand, execution_id: str
) -> None:
    child = launcher.launch(command(callable="callables:talk_slowly", sys_path=SYS_PATH))
    with child:
        assert read_until(child, b"\n") == b"first line\n"
        wait_until(lambda: find_processes(execution_id) == [child.pid], description="the callable is found")
        assert b"PYTHONPATH" not in Path(f"/proc/{child.pid}/environ").read_bytes()


def test_the_context_is_handed_to_a_first_parameter_that_wants_it(call: Any) -> None:
    _, ended = call("describe", "word", context=CONTEXT)
    assert ended.result == ["nightly", "2026-03-29T02:30:00+00:00", 2, False, "word"]


def test_a_cancellation_sets_the_event_of_the_context(launcher: Launcher, command: MakeCommand) -> None:
    child = launcher.launch(
        command(
            callable="callables:wait_for_cancel",
            context=CONTEXT,
            sys_path=SYS_PATH,
            grace=timedelta(seconds=20),
        )
    )
    read_until(child, b"waiting")
    child.kill("cancelled")
    _, ended = finish(child)
    assert (ended.reason, ended.code, ended.result) == ("cancelled", 0, "cancelled")


def test_a_function_that_ignores_the_event_is_killed_after_the_grace(call: Any) -> None:
    _, ended = call("ignore_cancel", context=CONTEXT, timeout=timedelta(seconds=3))
    assert (ended.reason, ended.signal, ended.confirmed_gone) == ("timeout", signal.SIGKILL, True)


def test_a_function_without_a_context_is_ended_by_term(call: Any) -> None:
    _, ended = call("talk_slowly", timeout=timedelta(seconds=3), grace=timedelta(seconds=60))
    assert (ended.reason, ended.signal) == ("timeout", signal.SIGTERM)


def test_a_result_that_json_makes_long_is_cut(call: Any) -> None:
    _, ended = call("control_characters")
    assert (ended.code, ended.reason, set(ended.result)) == (0, "", {"\x01"})
