"""Jobs as Python: what is written makes exactly these jobs again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dkronpy import Basic, Http, Job, Retry, Run, Shell, all_nodes, any_node, cron, every, on_node, secret
from dkronpy.config import load_jobs
from dkronpy.fleet.source import jobs_source
from dkronpy.job.json import decode_definition, encode_definition, untyped
from dkronpy.node import Target

JOBS = (
    Job(name="plain", run=Shell("true")),
    Job(
        name="nightly",
        schedule=cron("30 2 * * MON-FRI", tz="Europe/Berlin", gap="skip"),
        run=Shell("./report.sh --yesterday | gz", cwd="/srv/bi", env={"DB_URL": secret("bi/db-url"), "A": 'q"uo\\te'}),
        on=any_node(role="bi"), timeout="15m", owner="bi@example.com", retry=Retry(3, delay="10s", jitter=False),
    ),
    Job(name="words", run=Shell(("ls", "-l", "a b")), schedule=every("90s"), on=all_nodes(role="web", dc="fra")),
    Job(name="sync", run=Http("https://crm.example.com", method="POST", auth=Basic("u", secret("crm/pw"))), retry=2),
    Job(
        name="dkron", run=Run("shell", {"command": "echo 1", "shell": "true", "env": "A=1,B=2"}),
        on=Target(tags={"role": "web:2"}),
    ),
    Job(name="odd-tags", run=Shell("x"), on=Target(tags={"the-role": "web", "class": "a"}, count=2)),
    Job(name="nodes", run=Shell("x"), on=on_node("web1", "web2")),
    Job(name="unknown", run=Run("theirs", {"deep": {"list": [1, {"x": None}], "secret": "no reference"}})),
    Job(name="after", run=Shell("x"), after=("plain", "words"), when="always"),
    Job(
        name="everything", run=Shell("line\nline"), schedule="@every 1h | 0 30 2 * * *",
        starts_at=datetime(2027, 1, 1, tzinfo=timezone.utc), catch_up_window=timedelta(hours=3), enabled=False,
        metadata={"team": "bi"}, processors={"log": {"forward": True}}, doc='He said "no".\nSo\u2028be it \U0001f642',
    ),
)  # fmt: skip


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_what_is_written_makes_the_same_job(job: Job, tmp_path_factory: pytest.TempPathFactory) -> None:
    stored = decode_definition(encode_definition(job))
    namespace: dict[str, object] = {}
    text = jobs_source([stored], "One job.")
    made: list[Job] = []
    exec(text.replace("\nJob(", "\n_made = Job("), namespace)
    made.append(namespace["_made"])  # type: ignore[arg-type]
    assert untyped(made[0]) == untyped(job)


def test_a_module_of_many_jobs_loads_without_a_problem(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("exported")
    known = [
        job if job.schedule or job.after else job.but(schedule="@manually") for job in JOBS if job.name != "unknown"
    ]
    (folder / "exported_jobs.py").write_text(
        jobs_source(known, 'Many jobs.\n\nWith """quotes""".', {"plain": ["a note"]})
    )
    loaded = load_jobs(folder)
    assert not loaded.problems
    assert list(map(untyped, loaded.jobs)) == list(map(untyped, known))
    assert "# a note\nJob(" in (folder / "exported_jobs.py").read_text()


def test_it_reads_as_somebody_would_have_written_it() -> None:
    text = jobs_source([decode_definition(encode_definition(JOBS[1]))], "One job.")
    assert (
        text
        == '''"""One job."""

from dkronpy import Job, Retry, Shell, any_node, cron, secret

Job(
    name="nightly",
    schedule=cron("30 2 * * MON-FRI", tz="Europe/Berlin"),
    run=Shell(
        "./report.sh --yesterday | gz",
        cwd="/srv/bi",
        env={"A": "q\\"uo\\\\te", "DB_URL": secret("bi/db-url")},
    ),
    gap="skip",
    on=any_node(role="bi"),
    timeout="15m",
    retry=Retry(3, delay="10s", jitter=False),
    owner="bi@example.com",
)
'''
    )
