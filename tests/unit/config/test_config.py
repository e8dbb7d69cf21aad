"""Loading configuration: every job, every problem with its place and a hint, and nothing left behind."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from dkronpy import Job, Shell, any_node
from dkronpy.collect import Collection, collecting
from dkronpy.config import ConfigInvalidError, LoadedConfig, load_jobs
from dkronpy.errors import ConfigError
from dkronpy.job.retry import Retry

HEAD = "from dkronpy import Http, Job, Shell, all_nodes, any_node, cron, defaults, every, job, template\n"


def load(folder: Path, **files: str) -> LoadedConfig:
    """A folder ``config`` with these files (``jobs_py`` is ``jobs.py``), loaded."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        body = textwrap.dedent(text).lstrip("\n")
        (config / f"{stem}.{suffix}").write_text(HEAD + body if suffix == "py" else body, "utf-8")
    return load_jobs(config)


def names(config: LoadedConfig) -> list[str]:
    return [job.name for job in config.jobs]


def told(config: LoadedConfig, folder: Path) -> str:
    return "\n".join(map(str, config.problems)).replace(f"{folder}/config/", "")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


def test_a_folder_stands_for_its_files_in_order_without_settings_and_hidden_ones(tmp_path: Path) -> None:
    line = 'Job(name="{0}", schedule="@daily", run=Shell("x"))\n'
    config = load(
        tmp_path, b_py=line.format("b"), a_py=line.format("a"), _hidden_py=line.format("hidden"),
        settings_py=line.format("settings"), c_json='{"name": "c", "schedule": "@daily", "executor": "shell", '
        '"executor_config": {"command": "x"}}',
    )  # fmt: skip
    assert names(config) == ["a", "b", "c"]
    assert config.require() == config.jobs
    assert [file.name for file in config.files] == ["a.py", "b.py", "c.json"]
    assert config.sys_path == str(tmp_path)
    assert config.origins["a"].endswith("config/a.py:2")


def test_a_file_or_a_dotted_module_may_be_named_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, jobs_py='Job(name="a", schedule="@daily", run=Shell("x"))')
    assert names(load_jobs(tmp_path / "config" / "jobs.py")) == ["a"]
    monkeypatch.chdir(tmp_path)
    assert names(load_jobs("config.jobs")) == ["a"]
    (tmp_path / "config" / "__init__.py").write_text("")
    assert names(load_jobs("config")) == ["a"]


@pytest.mark.parametrize("source", ["no-such-folder", "no_such_module", "config/nothing.py", "a.b.c"])
def test_a_source_that_is_not_there_is_said_so(source: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no (configuration|file, folder or module)"):
        load_jobs(source)


def test_a_folder_that_would_hide_a_module_of_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    with pytest.raises(ConfigError, match="has the name of Python's own module 'email'"):
        load_jobs(tmp_path / "email")


def test_jobs_need_not_be_kept_and_loops_and_functions_build_them_too(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        def add(name):
            return Job(name=name, schedule="@daily", run=Shell("x"))
        for number in range(2):
            add(f"loop-{number}")
        parents = [Job(name=f"load-{s}", after="loop-0", run=Shell(("etl", s))) for s in ("crm", "erp")]
        Job(name="done", after=parents, run=Shell("x"))
        """,
    )
    assert names(config) == ["loop-0", "loop-1", "load-crm", "load-erp", "done"]
    assert config.jobs[-1].after == ("load-crm", "load-erp")
    assert config.problems == ()


def test_files_may_import_one_another_and_each_job_counts_once(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        a_py='from config.b import base\nbase.but(name="copy")\n',
        b_py='base = Job(name="base", schedule="@daily", run=Shell("x"))\n',
    )
    assert names(config) == ["base", "copy"]
    assert config.problems == ()


def test_the_process_is_as_before_afterwards(tmp_path: Path) -> None:
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "config"}
    path = list(sys.path)
    load(tmp_path, jobs_py="import config.other", other_py="")
    after = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "config"}
    assert after == before
    assert sys.path == path
    assert not list(tmp_path.rglob("__pycache__"))


def test_templates_are_no_jobs_and_their_copies_are(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        base = template(Job(name="base", run=Shell("x"), timeout="5m", retry=2))
        base.but(name="one", schedule="@daily")
        base.but(name="two", schedule=every("1h"), timeout=None)
        """,
    )
    assert names(config) == ["one", "two"]
    assert [job.retry for job in config.jobs] == [Retry(2), Retry(2)]
    assert config.jobs[1].timeout is None
    assert config.problems == ()


def test_defaults_hold_within_their_block_and_the_job_itself_wins(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        with defaults(timeout="5m", on=any_node(role="web"), schedule="@daily"):
            Job(name="a", run=Shell("x"))
            with defaults(timeout="1m"):
                Job(name="b", run=Shell("x"))
            Job(name="c", run=Shell("x"), timeout=None, on=all_nodes())
        Job(name="d", run=Shell("x"), schedule="@daily")
        """,
    )
    minutes = [job.timeout and job.timeout.total_seconds() / 60 for job in config.jobs]
    assert minutes == [5, 1, None, None]
    assert [job.on for job in config.jobs][:2] == [any_node(role="web")] * 2
    assert config.problems == ()


def test_a_block_that_sets_what_no_job_has_is_refused(tmp_path: Path) -> None:
    config = load(tmp_path, jobs_py='with defaults(timout="5m"):\n    pass\n')
    assert "defaults() cannot set 'timout' did you mean 'timeout'?" in told(config, tmp_path)


def test_a_function_becomes_a_job_and_stays_a_function(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        @job(schedule="17 3 * * *", retry=3, kwargs={"days": 30})
        def purge_sessions(days: int) -> int:
            '''Delete old sessions.'''
            return days * 2
        assert purge_sessions(7) == 14
        """,
    )
    (found,) = config.require()
    assert (found.name, found.doc, found.executor) == ("purge-sessions", "Delete old sessions.", "python")
    assert "config.jobs:purge_sessions" in str(found.executor_config)
    assert "30" in str(found.executor_config)


EXPECTED = """
bad.py:2:10: Nightly Report: name: name contains illegal character 'N'
    Job(name="Nightly Report", schedule=cron("61 2 * * *", tz="Europe/Belin"), run=Shell("x"))
             ^^^^^^^^^^^^^^^^
    hint: did you mean 'nightly-report'?
bad.py:2:37: Nightly Report: schedule: minute: 61 is out of range 0-59 at column 1
    Job(name="Nightly Report", schedule=cron("61 2 * * *", tz="Europe/Belin"), run=Shell("x"))
                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
bad.py:2:59: Nightly Report: timezone: unknown time zone 'Europe/Belin'
    Job(name="Nightly Report", schedule=cron("61 2 * * *", tz="Europe/Belin"), run=Shell("x"))
                                                              ^^^^^^^^^^^^^^
    hint: did you mean 'Europe/Berlin'?
bad.py:3:1: orphan: schedule: the job would never run: it has no schedule and no 'after'
    Job(name="orphan", run=Shell("x"))
    ^^^
    hint: schedule=manual() for a job that is only started by hand
bad.py:5:10: extract: name: duplicate job name 'extract'
    Job(name="extract", schedule="@daily", run=Shell("x"))
             ^^^^^^^^^
    hint: first defined at bad.py:4
bad.py:8:11: load: after: no job named 'extrct'
    after=["extrct"],
          ^^^^^^^^^^
    hint: did you mean 'extract'?
bad.py:9:46: load: executor_config.method: "PSOT" is not an HTTP method
    run=Http(url="http://127.0.0.1/", method="PSOT"),
                                             ^^^^^^
    hint: did you mean 'POST'?
worse.py:2:64: \u00fcn\u00efcode: timeout: 'soon' is not a duration
    Job(name="\u00fcn\u00efcode", schedule="@daily", run=Shell("x"), timeout="soon")
                                                                   ^^^^^^
    hint: accepted: a number with a unit, such as 90s, 1h30m or 2d (units ms, s, m, h, d, w)
"""


def test_every_problem_of_every_file_with_its_place(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        bad_py="""
        Job(name="Nightly Report", schedule=cron("61 2 * * *", tz="Europe/Belin"), run=Shell("x"))
        Job(name="orphan", run=Shell("x"))
        extract = Job(name="extract", schedule="@daily", run=Shell("x"))
        Job(name="extract", schedule="@daily", run=Shell("x"))
        Job(
            name="load",
            after=["extrct"],
            run=Http(url="http://127.0.0.1/", method="PSOT"),
        )
        """,
        worse_py='Job(name="\u00fcn\u00efcode", schedule="@daily", run=Shell("x"), timeout="soon")\n',
    )
    said = told(config, tmp_path).replace(", or a bare number of seconds", "").replace("; accepted: GET", "\0")
    said = "\n".join(line.partition("\0")[0] for line in said.splitlines())
    assert said == EXPECTED.strip("\n")
    assert config.complete
    with pytest.raises(ConfigInvalidError) as raised:
        config.require()
    assert len(raised.value.problems) == 8
    assert raised.value.exit_code == 3


def test_a_call_that_is_wrong_is_one_problem_among_the_others(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        Job(name="a", shedule="@daily", run=Shell("x"))
        Job(schedule="@daily")
        """,
    )
    fields = [(problem.place.line, problem.field, problem.hint) for problem in config.problems]
    assert sorted(fields) == [
        (2, "schedule", "schedule=manual() for a job that is only started by hand"),
        (2, "shedule", "did you mean 'schedule'?"),
        (3, "name", "give it one: name='nightly-report'"),
        (3, "run", "run=Shell('...'), for one"),
    ]


def test_a_file_that_raises_hides_nothing_of_the_others_and_shows_its_own_line(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        a_py='Job(name="before", schedule="@daily", run=Shell("x"))\nx = crn("* * * * *")\n',
        b_py='import json\nJob(name="child", after="perhaps-in-a", run=Shell("x"))\njson.loads("{")\n',
        c_py='Job(name="Fine?", schedule="@daily", run=Shell("x"))\n',
        d_py="Job(\n",
        e_py='Job(name="e", schedule=every("soon"), run=Shell("x"))\n',
        f_py="from dkronpy import Shel\n",
        g_py="raise SystemExit(3)\n",
    )
    lines = told(config, tmp_path).splitlines()
    heads = [line for line in lines if not line.startswith("    ")]
    assert heads[0] == "a.py:3:1: NameError: name 'crn' is not defined"
    assert heads[1].startswith("b.py:4:1: JSONDecodeError: Expecting property name")
    assert heads[2].startswith("c.py:2:10: Fine?: name: name contains illegal character 'F'")
    assert heads[3] == "d.py:2:4: SyntaxError: '(' was never closed"
    assert heads[4].startswith("e.py:2:1: every: 'soon' is not a duration")
    assert heads[5].startswith("f.py:2:1: ImportError: cannot import name 'Shel'")
    assert heads[6] == "g.py:2:1: SystemExit: 3"
    assert '    json.loads("{")' in lines
    assert "    hint: did you mean 'Shell'?" in lines
    assert names(config) == ["before", "child", "Fine?"]
    assert not config.complete


def test_a_file_that_fails_when_another_imports_it_is_told_once(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        a_py="from config.b import nothing\n",
        b_py='Job(name="once", schedule="@daily", run=Shell("x"))\n1 / 0\n',
    )
    assert names(config) == ["once"]
    assert told(config, tmp_path).count("ZeroDivisionError") == 1
    assert "b.py:3:1: ZeroDivisionError" in told(config, tmp_path)


def test_rings_are_printed_as_a_path_once_each(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_py="""
        for name, parent in ["ac", "ba", "cb", "xy", "yx", "za", "ss"]:
            Job(name=name, after=parent, run=Shell("x"))
        """,
    )
    messages = [problem.message for problem in config.problems]
    assert sorted(messages) == [
        "the job can not have itself as parent",
        "the jobs wait for one another: a after c after b after a",
        "the jobs wait for one another: x after y after x",
    ]


def test_json_files_tell_line_column_and_value(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        jobs_json="""
        [
          {"name": "good", "schedule": "@daily", "executor": "shell", "executor_config": {"command": "x"}},
          {"name": "typo", "schedule": "@dayly", "executor": "shel",
           "executor_config": {"command": "x"}},
          {"name": "type", "retries": "3"},
          5
        ]
        """,
        torn_json='{"name": "torn",\n!}\n',
        twice_json='{"name": "a"} {"name": "b"}',
    )
    assert names(config) == ["good", "typo"]
    heads = [line for line in told(config, tmp_path).splitlines() if not line.startswith("    ")]
    assert heads[0].startswith("jobs.json:3:32: typo: schedule: '@dayly' is not known")
    assert heads[1].startswith("jobs.json:3:54: typo: executor: there is no executor 'shel'")
    assert heads[2] == "jobs.json:5:31: type: retries: a whole number from 0 up is needed, not text (3)"
    assert heads[3] == "jobs.json:6:3: a job is a JSON object, not a number (5)"
    assert heads[4].startswith("torn.json:2:1: this is not JSON")
    assert heads[5] == "twice.json:1:15: this is not JSON: extra data"


def test_problems_in_a_long_line_are_shown_around_the_caret(tmp_path: Path) -> None:
    config = load(tmp_path, jobs_py=f'Job(name="a", run=Shell("{"x" * 300}"), schedule="@daly")\n')
    _, line, caret, hint = str(config.problems[0]).splitlines()
    assert len(line) < 120
    assert line[caret.index("^") :].startswith('"@daly"')
    assert hint == "    hint: did you mean '@daily'?"


def test_outside_of_loading_nothing_is_collected_and_threads_do_not_mix() -> None:
    with collecting(Collection()) as mine:
        stranger = threading.Thread(
            target=contextvars.Context().run,
            args=(lambda: Job(name="elsewhere", schedule="@daily", run=Shell("x")),),
        )
        stranger.start()
        stranger.join()
        Job(name="here", schedule="@daily", run=Shell("x"))
    Job(name="later", schedule="@daily", run=Shell("x"))
    assert [one.job.name for one in mine.declared] == ["here"]


NETWORK_FORBIDDEN = """
import sys
def audit(event, args):
    # Not bind: urllib3 asks the kernel on import whether there is IPv6, which leaves the machine in peace.
    if event.startswith("socket.") and event.partition(".")[2] in ("connect", "sendto", "getaddrinfo"):
        raise SystemExit(f"the network was touched: {event}")
sys.addaudithook(audit)
from dkronpy.config import load_jobs
config = load_jobs(sys.argv[1])
print(len(config.require()), [name for name in ("redis", "celery", "kombu") if name in sys.modules])
"""


def run_without_network(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", NETWORK_FORBIDDEN, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_loading_needs_no_redis_and_no_network(tmp_path: Path) -> None:
    load(
        tmp_path,
        jobs_py="""
        Job(name="a", schedule=cron("0 4 * * *"), run=Http(url="http://nowhere.invalid/", method="POST"))
        Job(name="b", after="a", run=Shell("x"), on=all_nodes(role="web"))
        """,
    )
    done = run_without_network(tmp_path / "config")
    assert (done.stdout, done.stderr, done.returncode) == ("2 []\n", "", 0)
    load(tmp_path, jobs_py="import socket\nsocket.create_connection(('127.0.0.1', 9))\n")
    assert "the network was touched: socket" in run_without_network(tmp_path / "config").stderr
