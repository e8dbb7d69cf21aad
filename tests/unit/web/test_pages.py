"""Every page says what is there, and, where nothing is, what to do."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

import pytest

from dkronpy.client import Client
from dkronpy.node import Node
from dkronpy.web.board import Board
from dkronpy.web.chains import chain_of
from tests.unit.web.conftest import Browser, Door, save, shell, visible

PAGES = (
    "/", "/jobs", "/runs", "/nodes", "/schedule", "/graph", "/settings", "/executors", "/pauses", "/tokens", "/audit",
    "/new", "/jobs/backup",
    "/jobs/backup/edit", "/jobs/backup/statistics", "/jobs/backup/due", "/jobs/backup/definition",
)  # fmt: skip


def test_without_jobs_the_first_page_lists_the_steps(browser: Browser) -> None:
    text = visible(browser.get("/"))
    assert "Welcome" in text
    assert "dkronpy agent --name" in text
    assert "Make three example jobs" in text
    assert "Paste what" in text


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/jobs", "Write one into config/jobs.py"),
        ("/runs", "Wait for a due time"),
        ("/nodes", "dkronpy agent --name"),
        ("/schedule", "Begin at the overview"),
        ("/graph", "No job follows another one"),
    ],
)
def test_an_empty_page_says_what_to_do(browser: Browser, path: str, advice: str) -> None:
    assert advice in visible(browser.get(path))


def test_the_overview_names_what_is_due_and_that_no_beat_leads(browser: Browser, client: Client) -> None:
    save(client, "backup", schedule="@every 1h")
    text = visible(browser.get("/"))
    assert "Beat none leads" in text
    assert re.search(r"Due next backup (\w{3} \d+ \w{3} )?\d\d:\d\d:\d\d UTC in (59 min|1 h)", text), text


def test_a_job_is_explained_in_words_with_its_due_times(browser: Browser, client: Client) -> None:
    save(client, "report", schedule="30 2 * * *", timezone="Europe/Berlin", doc="Figures", owner="bi")
    save(client, "mail", schedule="", after=("report",))
    text = visible(browser.get("/jobs/report"))
    assert "At 02:30, every day, Europe/Berlin time." in text
    assert "UTC" in text
    assert "Then: mail" in text
    assert "02:30 does not exist: clocks go from 02:00 to 03:00" in text
    assert "After report succeeded." in visible(browser.get("/jobs/mail"))


def test_jobs_are_found_by_words_and_qualifiers(browser: Browser, client: Client) -> None:
    save(client, "backup-db", owner="ops", doc="dumps")
    save(client, "report", owner="bi")
    save(client, "off", enabled=False)
    assert names(browser.get("/jobs")) == ["backup-db", "off", "report"]
    assert names(browser.get("/jobs?q=dumps")) == ["backup-db"]
    assert names(browser.get("/jobs?q=owner:BI")) == ["report"]
    assert names(browser.get("/jobs?q=state:disabled")) == ["off"]
    assert names(browser.get("/jobs?q=owner:ops+nothing")) == []
    assert "No job fits" in browser.get("/jobs?q=owner:ops+nothing")
    assert names(browser.get("/jobs?sort=-name")) == ["report", "off", "backup-db"]


def names(html: str) -> list[str]:
    return re.findall(r'<tr id="job-([^"]+)"', html)


def test_more_jobs_than_fit_come_in_pages(browser: Browser, client: Client) -> None:
    for number in range(60):
        save(client, f"job-{number:02d}")
    first, second = names(browser.get("/jobs")), names(browser.get("/jobs?page=2"))
    assert (len(first), len(second)) == (50, 10)
    assert not set(first) & set(second)
    assert names(browser.get("/jobs?page=999999")) == second


def test_a_run_says_why_it_waits(browser: Browser, client: Client) -> None:
    save(client, "backup")
    run = client.run_job("backup").run
    text = visible(browser.get(f"/runs/{run.id}"))
    assert "backup was started by hand" in text
    assert "it waits for one" in text
    assert run.id in browser.get("/runs")
    assert run.id not in browser.get("/runs?state=success")
    assert run.id not in browser.get("/runs?job=other")
    assert run.id in browser.get("/runs?job=back&trigger=manual&text=manual")


def test_what_changes_elsewhere_is_on_the_next_page(browser: Browser, client: Client) -> None:
    save(client, "one")
    assert names(browser.get("/jobs")) == ["one"]
    save(client, "two")
    assert names(browser.get("/jobs")) == ["one", "two"]
    client.delete_job("one")
    assert names(browser.get("/jobs")) == ["two"]
    run = client.run_job("two").run
    assert run.id in browser.get("/runs")
    client.cancel_run(run.id)
    assert "cancelled" in visible(browser.get("/runs"))


def test_times_are_in_the_zone_of_the_viewer(browser: Browser, client: Client) -> None:
    save(client, "yearly", schedule="0 0 5 1 7 *")
    assert re.search(r"1 Jul (2027 )?05:00 UTC", visible(browser.get("/jobs/yearly")))
    browser.send("/preferences", zone="America/New_York")
    assert re.search(r"1 Jul (2027 )?01:00 EDT", visible(browser.get("/jobs/yearly")))
    assert "unknown time zone" in browser.send("/preferences", status=400, zone="Mars/Base").text


def test_an_unknown_page_is_a_page(browser: Browser) -> None:
    assert "there is no job named" in visible(browser.get("/jobs/nope", 404))
    assert "there is no run" in visible(browser.get("/runs/nope@2026", 404))
    assert "there is no node" in visible(browser.get("/nodes/nope", 404))
    for path in ("/no/such/page", "/jobs/a/b/c", "/runs/a/b/c", "/nodes/a/b/c", "/schedule/x"):
        assert f"nothing is at /ui{path}" in visible(browser.get(path, 404))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_one_heading_a_language_and_labels(browser: Browser, client: Client, path: str) -> None:
    save(client, "backup")
    html = browser.get(path)
    assert html.lstrip().startswith("<!doctype html>")
    assert len(re.findall(r"<h1[ >]", html)) == 1
    assert '<html lang="en"' in html
    assert 'class="skip" href="#main"' in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert sorted(ids) == sorted(set(ids))


def test_somebody_who_may_only_look_sees_no_buttons(browser: Browser, client: Client, door: Door) -> None:
    save(client, "backup")
    run = client.run_job("backup").run
    door.actions = set()
    for path in ("/", "/jobs", "/jobs/backup", "/runs", f"/runs/{run.id}", "/nodes", "/settings"):
        forms = re.findall(r'<form method="post" action="/ui([^"]*)"', browser.get(path))
        assert set(forms) <= {"/preferences", "/sign-out"}, path
    assert "New job" not in browser.get("/jobs")
    assert "Settings in force" not in browser.get("/settings")


def test_jobs_that_are_none_of_your_business_are_not_there(browser: Browser, client: Client, door: Door) -> None:
    save(client, "mine")
    save(client, "theirs", schedule="@every 1h")
    client.run_job("theirs")
    door.jobs = {"mine"}
    for path in ("/", "/jobs", "/runs", "/runs?state=running", "/runs?job=theirs", "/schedule", "/nodes"):
        assert not re.search(
            r"theirs(?!\"> <select)",
            re.sub(r'value="theirs"|value="[^"]*\?job=theirs"|<code>theirs</code>', "", browser.get(path)),
        ), path


def test_a_page_of_many_jobs_is_quick_and_small(browser: Browser, client: Client) -> None:
    for number in range(300):
        save(client, f"job-{number}", run=shell("true"))
    browser.get("/jobs")
    answer = browser.client.get("/ui/jobs", headers={"accept-encoding": "gzip"})
    assert int(answer.headers["content-length"]) < 30_000
    assert answer.headers["content-encoding"] == "gzip"


def test_chains_are_drawn_with_links_and_whose_job_is_hidden_stays_hidden(
    browser: Browser, client: Client, door: Door
) -> None:
    save(client, "load")
    save(client, "build", schedule="", after=("load",))
    save(client, "mail", schedule="", after=("build",), when="always")
    save(client, "alone")
    page = browser.get("/graph")
    assert "3 jobs in 1 chain" in visible(page)
    assert page.count('class="line ') == 2 + 4  # and those of the legend
    assert re.search(r'<a href="/ui/jobs/build" aria-label="build: never ran"', page)
    assert "alone" not in page
    assert 'aria-current="true"' in browser.get("/jobs/build")
    assert "Its chain" not in browser.get("/jobs/alone")
    door.jobs = {"load", "build"}
    assert "mail" not in browser.get("/graph")
    assert "mail" not in browser.get("/jobs/build").partition("Its chain")[2]


def test_a_job_that_was_deleted_meanwhile_has_no_chain(browser: Browser, client: Client) -> None:
    save(client, "load")
    save(client, "build", schedule="", after=("load",))
    board = Board(client)
    views = board.jobs()
    assert chain_of("build", views, board)
    assert chain_of("gone", views, board) is None


def test_executors_are_described_with_what_a_job_tells_them(browser: Browser) -> None:
    text = visible(browser.get("/executors"))
    assert "No node that is up has it." in text
    assert "command" in text
    assert "has to be given" in text


def test_times_change_to_utc_and_back_on_the_page_that_is_looked_at(browser: Browser) -> None:
    browser.get("/settings")
    browser.send("/preferences", zone="Asia/Tokyo")
    page = browser.get("/runs?state=failed")
    assert 'value="/ui/runs?state=failed"' in page
    assert 'name="zone" value="UTC"' in page
    browser.send("/preferences", zone="UTC")
    assert 'name="zone" value="browser"' in browser.get("/runs")
    browser.send("/preferences", zone="browser")
    assert "data-zone-unknown" in browser.get("/runs")


def test_a_node_whose_clock_is_wrong_is_told_of(browser: Browser, client: Client) -> None:
    nodes = client.deployment.nodes
    nodes.report(Node(name="wrong", instance="b", clock_ms=client.status().now_ms - 61_000))
    nodes.report(Node(name="right", instance="a", clock_ms=client.status().now_ms))
    text = visible(browser.get("/nodes"))
    assert text.count("! clock") == 1
    assert re.search(r"! clock 6[1-9]\.\d s behind", text)
    assert "Clock as the store's" in visible(browser.get("/nodes/right"))
    assert re.search(r"Clock ! 6[1-9]\.\d s behind compared with the store's", visible(browser.get("/nodes/wrong")))


def test_older_runs_of_one_moment_are_each_shown_once(browser: Browser, client: Client) -> None:
    for number in range(120):
        save(client, f"hourly-{number:03}")
        client.starts.start(f"hourly-{number:03}@2026-11-26T12:00:00.000Z-{number:06}", by="me", params={})
        client.cancel_run(f"hourly-{number:03}@2026-11-26T12:00:00.000Z-{number:06}")
    client.starts.start("hourly-000@2026-11-26T11:00:00.000Z-rerun", by="me", params={})
    client.cancel_run("hourly-000@2026-11-26T11:00:00.000Z-rerun")
    shown, path = [], "/runs"
    while path:
        html = browser.get(path)
        shown += list(dict.fromkeys(re.findall(r'href="/ui/runs/(hourly-[^"?#]+)"', html.partition("<tbody")[2])))
        older = re.search(r'href="/ui(/runs[^"]*)" rel="next"', html)
        path = unescape(older[1]) if older else ""
    assert len(shown) == 121
    assert len(set(map(unquote, shown))) == 121
    assert "T11" in shown[-1], "the earliest due time comes last, whenever it was fired"
