"""The python executor: functions by name, in a process of their own, with checked arguments."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.errors import InvalidError
from dkronpy.executors.python import Python, PythonCall, PythonExecutor
from dkronpy.plugins.executor import Outcome
from dkronpy.plugins.options import Options
from dkronpy.secret import secret
from dkronpy.testing.harness import ExecutorHarness
from tests.executors import callables
from tests.support import ROOT, wait_until

Run = Callable[[Options], tuple[Outcome, bytes]]


@pytest.fixture
def run(harness: ExecutorHarness) -> Run:
    executor = PythonExecutor()
    return lambda options: harness.run(executor, options)


def test_a_function_runs_in_another_process_and_its_value_is_the_result(run: Run) -> None:
    outcome, output = run(Python(callables.purge, 90, dry=False))
    assert outcome.success
    assert (outcome.result["days"], outcome.result["dry"]) == (90, False)
    assert outcome.result["pid"] != os.getpid()
    assert output == b"purging 90 days\non standard error\n"


def test_a_function_by_name_as_json_has_it(run: Run) -> None:
    options = PythonCall.from_config(
        {"callable": "tests.executors.callables:purge", "args": "[7]", "kwargs": '{"dry": false}'}
    )
    assert options == Python(callables.purge, 7, dry=False)
    assert run(options)[0].result["days"] == 7


def test_functions_of_classes_and_coroutines(run: Run) -> None:
    assert run(Python(callables.Report.build, "monday"))[0].result == "monday"
    assert run(Python(callables.Report.name))[0].result == "Report"
    assert run(Python(callables.later, 41))[0].result == 42


def test_a_context_is_put_in_front(run: Run, harness: ExecutorHarness) -> None:
    result = run(Python(callables.describe, "hello"))[0].result
    assert result[:5] == ["hello", "report", harness.execution_id, 1, 7]
    assert result[5] == "2026-11-23T02:30:00+00:00"


def test_an_exception_is_a_failure_with_its_traceback_in_the_output(run: Run) -> None:
    outcome, output = run(Python(callables.fail, "no more stamps"))
    assert (outcome.success, outcome.reason) == (False, "executor_error")
    assert outcome.message == "ValueError: no more stamps"
    assert output.startswith(b"Traceback (most recent call last):")
    assert b"callables.py" in output


def test_names_that_do_not_exist(run: Run) -> None:
    assert "no module 'no_such_module'" in run(Python("no_such_module:run"))[0].message
    assert "has no 'nothing'" in run(Python("tests.executors.callables:nothing"))[0].message


def test_a_timeout_ends_a_function_that_takes_no_notice(run: Run) -> None:
    assert run(Python(callables.stubborn).but(timeout="500ms"))[0].reason == "timeout"


def test_a_memory_limit_ends_it(run: Run) -> None:
    assert run(Python(callables.hungry).but(mem_limit="100MB"))[0].reason == "oom"


def test_a_cancelled_function_may_tidy_up(harness: ExecutorHarness) -> None:
    results: list[tuple[Outcome, bytes]] = []
    options = Python(callables.wait)
    thread = threading.Thread(target=lambda: results.append(harness.run(PythonExecutor(), options)))
    thread.start()
    wait_until(lambda: b"waiting" in harness.output, description="the function has begun")
    harness.cancel()
    thread.join(10)
    assert results[0][0].reason == "cancelled"
    assert b"tidied" in results[0][1]


def test_secrets_in_arguments_and_environment(run: Run) -> None:
    options = Python("tests.executors.callables:reveal", secret("bi/db-url"))
    outcome, output = run(options.but(env={"TOKEN": secret("bi/db-url")}))
    assert output == b"POSTGRES://S3CR3T\n"
    assert outcome.result == "postgres://s3cr3t"
    assert "postgres" not in json.dumps(options.to_config())


def nested() -> Callable[[], None]:
    def inner() -> None:
        pass

    return inner


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: None, "is a lambda"),
        (nested(), "is defined inside a function or bound to an object"),
        (callables.Report().method, "bound to an object"),
        (functools.partial(callables.purge, 1), "bound to an object"),
        ("tasks.cleanup.purge", "did you mean 'tasks.cleanup:purge'?"),
        ("purge", "the form is module:function"),
        ("a:b c", "the form is module:function"),
        ("__main__:purge", "defined in the program that is run"),
    ],
)
def test_what_no_other_process_can_import_is_refused(function: Any, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        PythonCall.from_config(Python(function).to_config(), job="purge")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    if not isinstance(function, str):
        assert "move it to the top of a module" in str(caught.value)


def test_arguments_must_be_json() -> None:
    problems = Python("m:f", object(), when={1, 2}).problems()
    assert [problem.field for problem in problems] == ["executor_config.args", "executor_config.kwargs"]
    assert "is not a JSON value" in problems[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=3), st.dictionaries(st.text("ab"), JSON, max_size=3))
def test_options_survive_their_json(args: list[Any], kwargs: dict[str, Any]) -> None:
    options = PythonCall("module:function", args=tuple(args), kwargs=kwargs)
    assert PythonCall.from_config(json.loads(json.dumps(options.to_config()))) == options


TYPED = """
from dkronpy.executors.http import Http
from dkronpy.executors.python import Python
from dkronpy.executors.shell import Shell
from dkronpy.plugins.auth import Bearer
from dkronpy.plugins.executor import RunContext
from dkronpy.secret import secret

def purge(days: int, *, dry: bool = True) -> int: return days
def watch(context: RunContext, path: str) -> None: print(context, path)

Python(purge, 90, dry=False)
Python(watch, "/srv")
Python("tasks.cleanup:purge", 90)
Shell("./report.sh", cwd="/srv/bi", env={"DB_URL": secret("bi/db-url")}, timeout="10s", mem_limit="1GB")
Shell(("etl", "load", "crm"), success_codes=(0, 2), payload=b"x")
Http("https://crm/sync", "POST", json={"full": False}, auth=Bearer(secret("t")), expect="2xx", timeout=5)
"""
WRONG = [
    'Python(purge, "ninety")',
    "Python(purge, 90, drye=False)",
    "Python(purge)",
    "Python(watch, 1)",
    "Shell(1)",
    'Shell("x", cwdd="/srv")',
    'Http("http://a/", "PSOT")',
    'Http("http://a/", auth="token")',
]


def test_wrong_arguments_are_type_errors(tmp_path: Path) -> None:
    lines = TYPED.splitlines()
    (tmp_path / "jobs.py").write_text("\n".join([*lines, *WRONG]) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    done = subprocess.run(
        [*command, "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", "jobs.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    here = [line for line in done.stdout.splitlines() if ": error:" in line]
    wrong = {int(line.split(":")[1]) for line in here}
    assert wrong == set(range(len(lines) + 1, len(lines) + 1 + len(WRONG))), done.stdout + done.stderr
