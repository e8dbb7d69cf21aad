"""Templates in options: what they say, what they may not, and that nothing in them runs long."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.config.check import full_check
from dkronpy.errors import InvalidError
from dkronpy.executors.http import Http
from dkronpy.executors.python import Python
from dkronpy.executors.shell import Shell
from dkronpy.job import Job, Run
from dkronpy.job.json import decode_definition, encode_definition
from dkronpy.plugins.options import Options
from dkronpy.plugins.template import Facts, JobFacts, is_template, render_options
from dkronpy.secret import Secret, secret

FACTS = Facts(
    job=JobFacts(name="nightly", owner="Ops", metadata={"team": "billing"}),
    due=datetime(2026, 11, 23, 2, 30, tzinfo=timezone.utc),
    node="web1",
    attempt=2,
    run_id="nightly@2026-11-23T02:30:00.000Z",
    execution_id="nightly@2026-11-23T02:30:00.000Z.0",
    params={"day": "2026-11-22", "count": 3},
)


def rendered(text: str, facts: Facts = FACTS) -> Any:
    return render_options(Http, {"url": "http://x", "body": text}, facts, job="nightly").body


def problem_of(text: str) -> str:
    with pytest.raises(InvalidError) as caught:
        rendered(text)
    (problem,) = caught.value.problems
    assert problem.field == "executor_config.body"
    return str(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ job.name }} {{ job }} {{ job.owner }} {{ job.metadata.team }}", "nightly nightly Ops billing"),
        ("{{ due.isoformat() }}", "2026-11-23T02:30:00+00:00"),
        ("{{ due.strftime('%Y/%m/%d') }}", "2026/11/23"),
        ("{{ node }} {{ attempt }} {{ attempt + 1 }}", "web1 2 3"),
        ("{{ run_id }} {{ execution_id }}", f"{FACTS.run_id} {FACTS.execution_id}"),
        ("{{ params.day }} {{ params['count'] }} {{ params.get('none') }}", "2026-11-22 3 None"),
        ("{{ params.none | default('nothing') }} {{ node | upper | replace('W', 'v') }}", "nothing vEB1"),
        ("{% if attempt > 1 %}again{% else %}first{% endif %}", "again"),
        ('{"day": {{ params.day | tojson }}}\n', '{"day": "2026-11-22"}\n'),
        ("{% raw %}{{ mine }}{% endraw %}", "{{ mine }}"),
        ("no template: { } %} }} {#", "no template: { } %} }} {#"),
    ],
)
def test_what_templates_become(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ job.nmae }}", "job has no attribute 'nmae'"),
        ("{{ jbo.name }}", "there is no 'jbo'; known: job, due, node, attempt, run_id, execution_id, params"),
        ("{{ params.day | uper }}", "did you mean 'upper'?"),
        ("{{ params.missing }}", "has no attribute 'missing'"),
        ("{{ due.isoformat }}", "isoformat has to be called: put () behind it"),
        ("{{", "{% raw %}"),
        ("{{ job.name + 1 }}", "TypeError"),
    ],
)
def test_a_bad_template_is_named_with_what_is_wrong(text: str, said: str) -> None:
    assert said in problem_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ '%999999999d' % 1 }}",
        "{% for a in 'x' %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% set a = 1 %}",
        "{% include 'x' %}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ node | center(1000000000) }}",
        "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
        "{{ '" + "a" * 5_000 + "' | replace('a', '" + "b" * 5_000 + "') }}",
        "{{ due.isoformat() | tojson " + "| tojson " * 40 + "}}",
        "{{ '" + "a" * 300_000 + "' " + "+ '%s' " % ("b" * 300_000) * 3 + "+ 'x' + '" + "c" * 99 + "' }}",
        "a" * 1_000_001 + "{{ node }}",
        "{{ job.name.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ job.name.format('x') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ due.replace(year=1) }}",
    ],
)
def test_what_could_run_long_or_reach_far_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    problem_of(text)
    assert time.process_time() - began < 2


@given(st.text("{}%job.name|()'\"+-*[]~ \\\n#", max_size=60))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidError):
        assert isinstance(rendered("{{ node }}" + text), str)


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=20), max_size=3))
def test_values_are_never_taken_for_templates(params: dict[str, str]) -> None:
    import msgspec

    facts = msgspec.structs.replace(FACTS, params={"a": "{{ node }}{% if %}", **params})
    assert rendered("{{ params.a }}", facts) == facts.params["a"]


def test_templates_of_other_programs_are_left_alone() -> None:
    for text in ("{{.Names}}", "{{ .State.Status }}", "{{json .}}", "{{range $k, $v := .Config}}{{end}}", "{{- .ID}}"):
        assert not is_template(text), text
        assert rendered(text) == text
    assert is_template("{{ job .name }}")


def test_every_text_is_rendered_however_deep() -> None:
    config = {
        "url": "http://x/{{ job.name }}",
        "headers": '["X-Node: {{ node }}"]',
        "json": {"a": [{"b": "{{ due.year }}"}], "{{ node }}": 1},
        "timeout": "{{ attempt }}m",
    }
    options = render_options(Http, config, FACTS)
    assert options.url == "http://x/nightly"
    assert options.headers == {"X-Node": "web1"}
    assert options.json == {"a": [{"b": "2026"}], "{{ node }}": 1}
    assert options == Http(options.url, headers=options.headers, json=options.json, timeout="2m")


def test_a_value_cannot_become_more_than_one_item() -> None:
    import msgspec

    facts = msgspec.structs.replace(FACTS, params={"x": 'a,LD_PRELOAD=/tmp/x"]'})
    options = render_options(Shell, {"command": "true", "env": "A={{ params.x }},B=2"}, facts)
    assert options.env == {"A": 'a,LD_PRELOAD=/tmp/x"]', "B": "2"}


def test_references_to_secrets_stay_references() -> None:
    options = render_options(Http, {"url": "http://{{ node }}", "body": {"secret": "a/{{ node }}"}}, FACTS)
    assert options.body == Secret("a/{{ node }}")


# A job with templates, when it is saved


def check(run: Run | Options, **params: str | int) -> list[str]:
    job = Job(name="nightly", schedule="@daily", run=run, params=params)
    again = decode_definition(encode_definition(job))
    assert {str(p) for p in full_check(again)} == {str(p) for p in full_check(job)}
    return [str(problem) for problem in full_check(job)]


def test_good_templates_can_be_saved() -> None:
    assert (
        check(Http("https://x/{{ params.customer }}", headers={"X-Due": "{{ due.isoformat() }}"}), customer="x") == []
    )
    assert check(Shell(("etl", "--day", "{{ due.date() }}"), env={"JOB": "{{ job.name }}"})) == []
    assert check(Shell(("etl",), timeout="{{ params.minutes }}m"), minutes=5) == []
    assert check(Python("tasks.x:f", "{{ params.x }}"), x="y") == []


def test_a_parameter_that_the_job_does_not_have_is_named() -> None:
    (found,) = check(Http("https://x/{{ params.custmer }}"), customer="x")
    assert "executor_config.url" in found
    assert "custmer" in found


def test_every_bad_template_is_named_when_the_job_is_saved() -> None:
    found = check(Run("http", {"url": "http://x/{{ nope }}", "headers": {"A": "{{ job.nope }}"}}))
    assert [line.partition(":")[0] for line in found] == ["executor_config.url", "executor_config.headers.A"]


def test_what_a_template_becomes_is_checked_too() -> None:
    (found,) = check(Http("ftp://{{ node }}/"))
    assert '"ftp://node1/" is not a URL' in found


def test_a_line_for_the_shell_takes_no_template() -> None:
    (found,) = check(Shell("rm -rf /srv/{{ params.folder }}"))
    assert found.startswith("executor_config.command:")
    assert '"$NAME" in the command' in found
    assert check(Shell('rm -rf "/srv/$FOLDER"', env={"FOLDER": "{{ params.folder }}"}), folder="x") == []
    (found,) = check(Run("shell", {"command": "ls {{ params.folder }}"}))
    assert "write the command as a list of words" in found


def test_lines_of_dkron_with_braces_of_other_programs_run_unchanged() -> None:
    for command in ("docker ps --format '{{.Names}}'", "echo '{{ jinja }}' {%x%}", "curl -w '%{http_code}' x"):
        config = {"shell": "true", "command": command}
        assert check(Run("shell", config)) == []
        assert render_options(Shell, config, FACTS).command == command


def test_jobs_without_templates_do_not_pay_for_jinja() -> None:
    program = """
import sys
from dkronpy.config.check import full_check
from dkronpy.job import Job, Run
assert full_check(Job(name="a", schedule="@daily", run=Run("shell", {"command": "ls -l"}))) == []
assert "jinja2" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_secret_beside_a_template_is_masked_like_any_other() -> None:
    options = render_options(Http, {"url": "http://{{ node }}", "headers": {"A": {"secret": "x"}}}, FACTS)
    assert options.headers == {"A": secret("x")}
