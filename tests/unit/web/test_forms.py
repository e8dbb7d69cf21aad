"""What forms do, and that nobody else can send them."""

from __future__ import annotations

import json

import msgspec
import pytest

from dkronpy.client import Client
from dkronpy.clock import iso_ms
from dkronpy.errors import NotFoundError
from dkronpy.job import Job, Run
from dkronpy.web.first import crontab_lines
from tests.unit.web.conftest import Browser, Door, save, visible

CRONTAB = """\
# m h dom mon dow command
MAILTO=ops@example.com
PATH=/usr/bin:/bin
30 2 * * 1-5 /usr/local/bin/backup.sh --all | tail
@daily /usr/local/bin/backup.sh
@reboot /bin/true
61 * * * * /bin/false
"""


def test_a_job_is_run_and_its_run_is_shown(browser: Browser, client: Client) -> None:
    save(client, "backup")
    answer = browser.send("/jobs/backup/run")
    (run,) = client.runs(job="backup")
    assert answer.headers["location"] == f"/ui/runs/{run.id}"
    browser.send(f"/runs/{run.id}/cancel")
    assert client.run(run.id).run.reason == "cancelled"


def test_switching_off_twice_leaves_it_off(browser: Browser, client: Client) -> None:
    save(client, "backup")
    for _ in range(2):
        browser.send("/jobs/backup/toggle", to="off")
    assert not client.job("backup").job.enabled
    browser.send("/jobs/backup/toggle", to="on")
    assert client.job("backup").job.enabled


def test_deleting_needs_the_name(browser: Browser, client: Client) -> None:
    save(client, "backup")
    assert "type backup" in browser.send("/jobs/backup/delete", status=400, name="bakcup").text
    assert client.job("backup")
    browser.send("/jobs/backup/delete", name="backup")
    with pytest.raises(NotFoundError):
        client.job("backup")


def test_a_job_of_a_configuration_is_neither_deleted_nor_edited_here(browser: Browser, client: Client) -> None:
    run = Run("shell", {"command": "true"})
    client.save_job(Job(name="ours", schedule="@manually", run=run), source="config")
    page = browser.get("/jobs/ours")
    assert "/delete" not in page
    assert "/edit" not in page
    assert "comes from config" in browser.send("/jobs/ours/delete", status=409, name="ours").text
    assert "comes from config" in browser.get("/jobs/ours/edit", 409)


def test_several_jobs_at_once(browser: Browser, client: Client, door: Door) -> None:
    for name in ("one", "two", "three"):
        save(client, name)
    browser.send("/jobs/bulk", what="disable", job=["one", "two"])
    assert [view.job.enabled for view in client.jobs()] == [False, True, False]
    browser.send("/jobs/bulk", what="run", job=["one", "three"])
    assert {run.job for run in client.runs()} == {"one", "three"}
    asked = browser.send("/jobs/bulk", status=200, what="delete", job=["one", "two"]).text
    assert "Delete 2 jobs?" in asked
    assert len(client.jobs()) == 3
    browser.send("/jobs/bulk", what="delete", job=["one", "two"], sure="yes")
    assert [view.job.name for view in client.jobs()] == ["three"]
    assert "no job was chosen" in browser.send("/jobs/bulk", status=400, what="run").text
    door.actions = {"operate"}
    browser.send("/jobs/bulk", status=403, what="delete", job=["three"], sure="yes")
    assert any("one, two" in note for note in door.notes)


def test_several_jobs_are_paused_after_a_question_and_resumed(browser: Browser, client: Client, door: Door) -> None:
    for name in ("one", "two", "three"):
        save(client, name)
    asked = visible(browser.send("/jobs/bulk", status=200, what="pause", job=["one", "two"]).text)
    assert "Pause 2 jobs?" in asked
    assert "Pause one, two" in asked
    assert not client.maintenance.pauses()
    browser.send("/jobs/bulk", what="pause", job=["one", "two"], sure="yes", reason="moving house", hours="4")
    assert {(one.job, one.reason) for one in client.maintenance.pauses()} == {
        ("one", "moving house"),
        ("two", "moving house"),
    }
    page = browser.get("/jobs")
    assert page.count('</span> paused</span><br><span class="quiet small fixed">until') == 2
    assert "moving house" in page
    browser.send("/jobs/bulk", what="resume", job=["one", "two"])
    assert not client.maintenance.pauses()
    assert "no pause" in browser.send("/jobs/bulk", status=409, what="resume", job=["three"]).text
    door.actions = set()
    browser.send("/jobs/bulk", status=403, what="pause", job=["one"], sure="yes")


def test_a_definition_is_checked_before_it_is_saved(browser: Browser, client: Client, door: Door) -> None:
    bad = json.dumps(
        {"name": "x", "schedule": "61 * * * *", "executor": "shell", "executor_config": {"command": "true"}}
    )
    answer = browser.send("/new", status=422, text=bad, what="save").text
    assert "schedule" in browser.send("/check", status=200, text=bad).text
    browser.send("/check", status=200, text="{")
    door.actions = set()
    browser.send("/check", status=200, text=bad)
    door.actions = {"edit"}
    assert "schedule" in answer
    assert not client.jobs()
    good = bad.replace("61 *", "30 2")
    assert "At 02:30, every day, UTC." in visible(browser.send("/check", status=200, text=good).text)
    assert not client.jobs()
    browser.send("/new", text=good, what="save")
    assert client.job("x").job.schedule == "30 2 * * *"
    old = client.job("x").stored.revision
    browser.send("/jobs/x/edit", text=good.replace("30 2", "45 2"), what="save", revision=str(old))
    stale = browser.send("/jobs/x/edit", status=409, text=good, what="save", revision=str(old))
    assert "changed" in stale.text
    assert "this is the form of x" in browser.send("/jobs/x/edit", status=422, text=good.replace('"x"', '"y"')).text


def test_the_examples_are_there_once(browser: Browser, client: Client) -> None:
    browser.send("/examples")
    browser.send("/examples")
    assert [view.job.name for view in client.jobs()] == ["count-to-twenty", "hello", "weekly-report"]
    assert {view.stored.revision for view in client.jobs()} == {1}


def test_a_crontab_becomes_jobs(browser: Browser, client: Client) -> None:
    crontab = CRONTAB
    seen = visible(browser.send("/crontab", status=200, crontab=crontab, zone="Europe/Berlin").text)
    assert "Save 2 jobs" in seen
    assert "@reboot has no counterpart" in seen
    assert not client.jobs()
    browser.send("/crontab", crontab=crontab, zone="Europe/Berlin", what="save")
    jobs = {view.job.name: view.job for view in client.jobs()}
    assert list(jobs) == ["backup", "backup-2"]
    assert (jobs["backup"].schedule, jobs["backup"].timezone) == ("30 2 * * 1-5", "Europe/Berlin")
    assert jobs["backup"].run.config["command"] == "/usr/local/bin/backup.sh --all | tail"
    assert jobs["backup-2"].run.config["env"] == {"PATH": "/usr/bin:/bin"}
    assert jobs["backup"].owner_email == "ops@example.com"


def vars_of(job: Job) -> dict[str, object]:
    """The options of what it runs."""
    return msgspec.structs.asdict(job.run)  # type: ignore[arg-type]


def test_a_line_of_a_crontab_is_read_as_the_command_line_reads_it() -> None:
    lines = crontab_lines("RANDOM_DELAY=5\n0 4 * * * /bin/tar c x%y\n\nrubbish\n", zone="UTC", taken={"tar"})
    assert [(one.number, one.text) for one in lines] == [
        (1, "RANDOM_DELAY=5"),
        (2, "0 4 * * * /bin/tar c x%y"),
        (4, "rubbish"),
    ]
    assert (lines[0].job, lines[0].problem) == (None, "")
    assert "no counterpart" in lines[0].notes[0]
    assert lines[1].job is not None
    assert lines[1].job.name == "tar-2"
    assert vars_of(lines[1].job)["payload"] == b"y\n"
    assert "home folder" in lines[1].notes[0]
    assert lines[2].problem == "after the schedule a command is missing: rubbish"
    system = crontab_lines("# m h dom mon dow user command\n5 1 * * * root run-parts /etc/cron.daily\n", zone="UTC")
    assert system[0].job is not None
    assert vars_of(system[0].job)["user"] == "root"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/backup/run",
        "/jobs/backup/toggle",
        "/jobs/backup/delete",
        "/jobs/bulk",
        "/new",
        "/examples",
        "/preferences",
    ],
)
def test_a_form_without_this_browsers_token_does_nothing(browser: Browser, client: Client, path: str) -> None:
    save(client, "backup")
    browser.get("/")
    before = [(view.job, view.stored.revision) for view in client.jobs()]
    for csrf in ("", "x" * 32, browser.client.cookies["dkronpy_csrf"] + "x"):
        answer = browser.send(path, status=403, csrf=csrf, name="backup", what="run", job="backup")
        assert "does not carry the token" in answer.text
    assert [(view.job, view.stored.revision) for view in client.jobs()] == before
    assert not client.runs()


def test_a_token_is_kept_where_no_script_reads_it(browser: Browser) -> None:
    browser.get("/sign-in")
    answer = browser.send("/sign-in", token="dkronpy_secret", next="/ui/runs")
    assert answer.headers["location"] == "/ui/runs"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ui" in cookie


@pytest.mark.parametrize(
    "bad", ["https://evil.example/", "//evil.example", "/\\evil.example", "/v1/leave", "javascript:x"]
)
def test_nobody_is_sent_elsewhere(browser: Browser, bad: str) -> None:
    browser.get("/sign-in")
    assert browser.send("/sign-in", token="x", next=bad).headers["location"] == "/ui/"


def test_what_changed_is_shown_and_taken_back(browser: Browser, client: Client, door: Door) -> None:
    save(client, "backup", doc="first")
    old = client.job("backup").stored.revision
    assert "It has one revision so far" in browser.get("/jobs/backup/definition")
    client.save_job(client.job("backup").job.but(doc="<second>", owner="ops"), by="alice", why="ops took over")
    seen = visible(browser.get("/jobs/backup/definition"))
    assert "by alice" in seen
    assert "ops took over" in seen
    assert "doc first &lt;second&gt;" in seen, seen
    assert "owner not set ops" in seen
    assert "Back to revision" in seen
    browser.send("/jobs/backup/rollback", revision=str(old))
    assert client.job("backup").job.doc == "first"
    assert len(client.job_history("backup")) == 3
    assert "Nothing differs" in browser.get(f"/jobs/backup/definition?old={old}&new={old + 2}")
    browser.send("/jobs/backup/rollback", status=409, revision="77")
    browser.send("/jobs/backup/rollback", status=400, revision="x")
    door.actions = {"operate"}
    assert "Back to revision" not in browser.get("/jobs/backup/definition")


def test_a_job_is_paused_with_a_reason_and_resumed(browser: Browser, client: Client, door: Door) -> None:
    save(client, "backup", schedule="@every 1h")
    browser.send("/jobs/backup/pause", reason="moving <house>", hours="4")
    (pause,) = client.maintenance.pauses()
    assert pause.until_ms is not None
    assert (pause.job, pause.by, pause.until_ms - pause.from_ms) == ("backup", "tester", 4 * 3_600_000)
    page = browser.get("/jobs/backup")
    assert "moving &lt;house&gt;" in page
    assert "Pause backup" not in page
    assert "moving" in browser.get("/pauses")
    browser.send("/jobs/backup/resume")
    assert not client.maintenance.pauses()
    browser.send("/jobs/backup/resume", status=404)
    door.actions = set()
    assert "Pause…" not in browser.get("/jobs/backup")


def test_everything_is_paused_by_an_operator_and_every_page_of_a_job_says_so(
    browser: Browser, client: Client, door: Door
) -> None:
    door.actions = {"operate"}
    assert "Pause many" in browser.get("/pauses")
    save(client, "backup", metadata={"team": "ops"})
    browser.send("/pauses", status=400, reason="neither tag nor everything")
    browser.send("/pauses", tag="team=ops", reason="one")
    browser.send("/pauses", everything="yes", reason="two")
    assert {pause.scope for pause in client.maintenance.pauses()} == {"everything", "every job with team=ops"}
    assert "Everything</strong> is paused" in browser.get("/")
    assert "is paused" in browser.get("/jobs/backup")
    browser.send("/pauses", status=400, tag="nonsense")
    browser.send("/preferences", zone="Europe/Berlin")
    browser.send("/pauses", tag="team=bi", start="2126-11-28T22:00", hours="4")
    (ahead,) = (one for one in client.maintenance.pauses() if one.tag == "team=bi")
    assert iso_ms(ahead.from_ms) == "2126-11-28T21:00:00.000Z"
    assert ahead.until_ms == ahead.from_ms + 4 * 3_600_000
    assert "is no date and time" in browser.send("/pauses", status=400, tag="team=bi", start="tomorrow").text
    for pause in client.maintenance.pauses():
        browser.send("/pauses/resume", id=pause.id)
    assert "is paused" not in browser.get("/")
    door.jobs = {"backup"}
    assert "Pause many" not in browser.get("/pauses")
