"""What people do: cancel, switch off several, delete, with the mouse, the keyboard, and without script."""

from __future__ import annotations

import random
import re

import pytest
from playwright.sync_api import expect

from dkronpy.job import Job
from tests.browser.conftest import Counting, NewPage, Site, ended, live, running, shell


def test_a_run_is_cancelled_in_two_clicks(site: Site, open_page: NewPage) -> None:
    run = running(site, "slow")
    page = live(open_page(f"/ui/runs/{run}"))
    expect(page.locator("#log pre")).to_contain_text("begun")
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel slow").click()
    expect(page.locator("#state")).to_contain_text("cancelled")
    assert ended(site, run) == "failed"


def test_a_job_is_run_and_its_output_comes(open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs/by-hand"))
    page.get_by_role("button", name="Run now: by-hand").click()
    expect(page).to_have_url(re.compile("/ui/runs/by-hand@"))
    expect(page.locator("#log pre")).to_contain_text("done by hand")
    expect(page.locator("#state")).to_contain_text("success")


def test_several_jobs_are_switched_off_by_keyboard_alone(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs"))
    page.keyboard.press("/")
    page.keyboard.type("owner:ops")
    page.keyboard.press("Enter")
    expect(page.locator("[data-tick]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#chosen")).to_have_text("1 chosen")
    disable = page.get_by_role("button", name="Disable")
    for _ in range(40):
        page.keyboard.press("Tab")
        if disable.evaluate("(it) => it === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done.")
    assert not site.client.job("never").job.enabled


def test_the_keyboard_goes_everywhere(open_page: NewPage) -> None:
    page = live(open_page("/ui/"))
    for key, path in (
        ("j", "jobs"),
        ("r", "runs"),
        ("n", "nodes"),
        ("t", "timeline"),
        ("c", "schedule"),
        ("g", "graph"),
        ("s", "settings"),
        ("o", ""),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(f"/ui/{path}$"))
        live(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_deleting_asks_for_the_name(site: Site, open_page: NewPage) -> None:
    site.client.save_job(Job(name="old", schedule="@manually", run=shell("true")))
    page = live(open_page("/ui/jobs/old"))
    page.get_by_text("Delete…").click()
    page.get_by_label("Type old to delete it").fill("old")
    page.get_by_role("button", name="Delete old").click()
    expect(page.get_by_role("status")).to_have_text("Deleted.")
    assert "old" not in {view.job.name for view in site.client.jobs()}


def test_what_is_typed_is_checked_and_previewed_at_once(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/new?as=json", refused=True))
    field, means = page.get_by_label("JSON, as Dkron writes jobs"), page.locator("#means")
    text = field.input_value()
    field.fill(text.replace("0 30 2 * *", "0 61 2 * *"))
    expect(means).to_contain_text("schedule")
    expect(means.locator("time")).to_have_count(0)
    field.fill(text.replace("0 30 2 * * MON-FRI", "0 15 4 * * SUN").replace('"hello"', '"typed"'))
    expect(means).to_contain_text("At 04:15, on Sunday, Europe/Berlin time.")
    expect(means.locator("ol.due li")).to_have_count(8)
    assert "typed" not in {view.job.name for view in site.client.jobs()}
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/ui/jobs/typed"))


@pytest.mark.parametrize("script", [True, False])
def test_a_job_is_made_field_by_field(site: Site, open_page: NewPage, script: bool) -> None:
    page, means = open_page("/ui/new", refused=True, java_script_enabled=script), "#means"
    page.get_by_label("Name").fill("made")
    page.get_by_label("Command").fill("echo made")
    page.get_by_label("Schedule").fill("61 4 * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Schedule")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(means)).to_contain_text("schedule")
    page.get_by_label("Schedule").fill("15 4 * * SUN")
    page.get_by_label("Runs on one node with").fill("role=web")
    if script:
        expect(page.locator(means)).to_contain_text("At 04:15, on Sunday")
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/ui/jobs/made"))
    job = site.client.job("made").job
    assert (job.schedule, job.on.tags, job.concurrency, job.executor) == (
        "15 4 * * SUN",
        {"role": "web"},
        "forbid",
        "shell",
    )


def test_a_node_is_drained_and_put_back_to_work(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/nodes"))
    row = page.locator("#node-node-1")
    row.get_by_text("Drain…").click()
    row.get_by_role("button", name="Drain node-1").click()
    expect(row).to_contain_text("drained")
    assert [node.drained for node in site.client.nodes()] == [True]
    row.get_by_role("button", name="Undrain").click()
    expect(row.locator(".badge")).to_contain_text("up")
    assert [node.drained for node in site.client.nodes()] == [False]


def test_the_failed_part_of_a_chain_runs_again(site: Site, open_page: NewPage) -> None:
    run, _ = site.fleet.run_now("load")
    page = live(open_page(f"/ui/runs/{run.id}"))
    expect(page.locator(".last-line")).to_contain_text("no such table")
    expect(page.locator(".chain .stop")).to_have_count(2)
    page.get_by_text("Run again from what failed…").click()
    page.get_by_role("button", name="Run the failed part again").click()
    expect(page).to_have_url(re.compile(r"/ui/runs/load@.*-r1"))
    expect(page.locator("#state")).to_contain_text("failed")
    page.locator(".chain a", has_text="report").click()
    expect(page).to_have_url(re.compile(r"/ui/(runs/report@|jobs/report)"))


def test_output_is_searched_with_the_keyboard(site: Site, open_page: NewPage, counts: Counting) -> None:
    counts.go_on()
    ended(site, counts.run)
    page = live(open_page(f"/ui/runs/{counts.run}"))
    page.keyboard.press("/")
    page.keyboard.type("LINE 1")
    said = page.locator("#found-lines")
    expect(said).to_have_text("1 of 4")  # 1, 10, 11, 12: the colour ends between the two words
    page.keyboard.press("Enter")
    expect(said).to_have_text("2 of 4")
    page.keyboard.press("Shift+Enter")
    expect(said).to_have_text("1 of 4")
    assert page.evaluate("CSS.highlights.get('found').size") == 4
    assert page.evaluate("[...CSS.highlights.get('here')][0].toString()") == "line 1"
    page.locator("#find").fill("nothing such")
    expect(said).to_have_text("none")


@pytest.mark.parametrize("script", [True, False])
def test_a_run_is_given_what_is_typed(site: Site, open_page: NewPage, script: bool) -> None:
    page = open_page("/ui/jobs/export", refused=True, java_script_enabled=script)
    page.get_by_role("link", name="Run now").click()
    days = page.get_by_label("days")
    expect(days).to_have_value("7")
    days.fill("91")
    page.get_by_label("customer").fill("acme")
    page.get_by_label("mode").select_option("quick")
    page.get_by_role("button", name="Run export").click()
    expect(page.get_by_role("alert")).to_have_text("91 is more than 90")
    expect(days).to_have_value("91")
    expect(days).to_have_accessible_description(
        re.compile("91 is more than 90 How far it goes back. integer, from 1 to 90")
    )
    expect(page.get_by_label("mode")).to_have_value("quick")
    days.fill("30")
    page.get_by_role("button", name="Run export").click()
    expect(page).to_have_url(re.compile("/ui/runs/export@"))
    site.fleet.ended(page.url.rpartition("/")[2])
    page.reload()
    expect(page.locator("#log pre")).to_contain_text("30 days of acme")
    expect(page.locator(".facts")).to_contain_text("customer=acme days=30 mode=quick")
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("customer")).to_have_value("acme")


def test_a_job_is_paused_and_resumed(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs/never"))
    page.get_by_text("Pause…").click()
    page.get_by_label("Why").fill("moving house")
    page.get_by_label("How long").select_option("for 4 hours")
    page.get_by_role("button", name="Pause never").click()
    expect(page.locator(".banner")).to_contain_text("moving house")
    assert [(one.job, one.reason) for one in site.client.maintenance.pauses()] == [("never", "moving house")]
    page.get_by_role("button", name="Resume never").click()
    expect(page.get_by_text("Pause…")).to_be_visible()
    assert not site.client.maintenance.pauses()


def test_a_job_is_edited_and_goes_back_to_what_it_was(site: Site, open_page: NewPage) -> None:
    site.client.save_job(Job(name="edited", schedule="0 0 5 1 1 *", run=shell("true"), doc="as it was"))
    first = site.client.job("edited").stored.revision
    page = live(open_page("/ui/jobs/edited"))
    page.get_by_role("link", name="Edit").click()
    field = page.get_by_label("JSON, as Dkron writes jobs")
    field.fill(field.input_value().replace("0 0 5 1 1 *", "0 0 6 1 1 *").replace("as it was", "as it is"))
    page.get_by_label("Why").fill("an hour later")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    job = site.client.job("edited").job
    assert (job.schedule, job.doc) == ("0 0 6 1 1 *", "as it is")
    page.get_by_role("link", name="Definition").click()
    expect(page.locator(".revisions")).to_contain_text("an hour later")
    page.get_by_text("back to this…").click()
    page.get_by_role("button", name=f"Back to revision {first}").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert site.client.job("edited").job.but() == job.but(schedule="0 0 5 1 1 *", doc="as it was")
    assert [one.number - first for one in site.client.job_history("edited")][:3] == [2, 1, 0]


def test_everything_works_without_script(site: Site, open_page: NewPage) -> None:
    page = open_page("/ui/jobs?q=by-hand", java_script_enabled=False)
    page.get_by_role("button", name="Run by-hand").click()
    expect(page).to_have_url(re.compile("/ui/runs/by-hand@"))
    run = page.url.rpartition("/")[2]
    site.fleet.ended(run)
    page.reload()
    expect(page.locator("#log pre")).to_have_text("done by hand\n")
    page.goto("/ui/jobs")
    page.get_by_label("Choose never").check()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    assert not site.client.job("never").job.enabled
    page.get_by_label("Choose never").check()
    page.get_by_role("button", name="Enable").click()
    expect(page.locator("#job-never")).not_to_contain_text("disabled")
    assert site.client.job("never").job.enabled


def test_several_jobs_are_paused_after_a_question_and_resumed(site: Site, open_page: NewPage) -> None:
    for name in ("spare-1", "spare-2"):
        site.client.save_job(Job(name=name, schedule="0 0 5 1 1 *", run=shell("true")))
    page = live(open_page("/ui/jobs?q=spare"))
    page.get_by_label("Choose all jobs on this page").check()
    page.get_by_role("button", name="Pause…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pause 2 jobs?")
    page.get_by_label("Why").fill("moving house")
    page.get_by_role("button", name="Pause spare-1, spare-2").click()
    expect(page.get_by_role("status")).to_contain_text("Paused")
    assert {(one.job, one.reason) for one in site.client.maintenance.pauses()} == {
        ("spare-1", "moving house"),
        ("spare-2", "moving house"),
    }
    page.goto("/ui/jobs?q=spare")
    expect(page.locator("#job-spare-1")).to_contain_text("paused")
    page.get_by_label("Choose all jobs on this page").check()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("Resumed")
    assert not site.client.maintenance.pauses()


def test_several_jobs_are_started_and_deleted_after_a_question(site: Site, open_page: NewPage) -> None:
    for name in ("spare-1", "spare-2"):
        site.client.save_job(Job(name=name, schedule="@manually", run=shell("true")))
    page = live(open_page("/ui/jobs?q=spare"))
    page.get_by_label("Choose all jobs on this page").check()
    expect(page.locator("#chosen")).to_have_text("2 chosen")
    page.locator("#bulk-bar").get_by_role("button", name="Run").click()
    expect(page.get_by_role("status")).to_have_text("Started.")
    for name in ("spare-1", "spare-2"):
        assert ended(site, site.client.runs(job=name, limit=1)[0].id) == "success"
    page.goto("/ui/jobs?q=spare")
    page.get_by_label("Choose all jobs on this page").check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 jobs?")
    assert site.client.job("spare-1")
    page.get_by_role("button", name="Delete spare-1, spare-2").click()
    expect(page.get_by_role("status")).to_have_text("Deleted.")
    assert not [view for view in site.client.jobs() if view.job.name.startswith("spare")]


def test_a_job_is_disabled_and_enabled_on_its_page(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs/never"))
    page.get_by_role("button", name="Disable never").click()
    expect(page.get_by_role("status")).to_contain_text("The job is disabled")
    assert not site.client.job("never").job.enabled
    page.get_by_role("button", name="Enable never").click()
    expect(page.get_by_role("status")).to_contain_text("enabled again")
    assert site.client.job("never").job.enabled


def test_jobs_with_a_tag_are_paused_and_resumed(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/pauses"))
    page.get_by_label("Every job with the tag").fill("role=nobody")
    page.get_by_label("Why").fill("moving house")
    page.get_by_role("button", name="Pause", exact=True).click()
    row = page.locator("tbody tr", has_text="role=nobody")
    expect(row).to_contain_text("moving house")
    assert [one.tag for one in site.client.maintenance.pauses()] == ["role=nobody"]
    row.get_by_role("button", name="Resume").click()
    expect(page.locator("#main")).to_contain_text("Nothing is paused")
    assert not site.client.maintenance.pauses()


def test_zone_colours_and_keys_are_kept_in_this_browser(open_page: NewPage) -> None:
    page = live(open_page("/ui/settings"))
    page.get_by_label("Times in").fill("Asia/Tokyo")
    page.get_by_label("Colours").select_option("dark")
    page.get_by_label("Single keys are commands").uncheck()
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#zone-name")).to_have_text("Asia/Tokyo")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    live(page).keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("/ui/settings"))
    page.goto("/ui/jobs/never/due")
    expect(page.locator("thead")).to_contain_text("Asia/Tokyo")


def test_output_is_downloaded_whole(site: Site, open_page: NewPage) -> None:
    run, _ = site.fleet.run_now("by-hand")
    page = live(open_page(f"/ui/runs/{run.id}"))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename == "by-hand-0-1.log"
    assert started.value.path().read_text() == "done by hand\n"


def test_failures_with_the_same_last_words_stand_together(site: Site, open_page: NewPage) -> None:
    word = "".join(random.choices("ghijklmnopqrstuvwxyz", k=8))
    for name in ("same-1", "same-2"):
        command = f"echo {word}: no route to host 10.0.0.$RANDOM >&2; exit 4"
        site.client.save_job(Job(name=name, schedule="@manually", run=shell(command)))
        site.fleet.run_now(name)
    page = live(open_page("/ui/runs"))
    group = page.locator(".errors li", has_text=f"{word}: no route to host")
    expect(group.locator(".count")).to_contain_text("2")
    group.locator(".words").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody")).to_contain_text("node-1")


def test_a_search_is_kept_under_a_name(open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs?q=owner:ops"))
    page.get_by_text("keep this search…").click()
    page.get_by_label("Its name").fill("what is <b>ours")
    page.get_by_role("button", name="Keep it in this browser").click()
    page.goto("/ui/jobs")
    page.get_by_role("link", name="what is <b>ours").click()
    expect(page).to_have_url(re.compile("q=owner:ops"))
    expect(page.locator("[data-tick]")).to_have_count(1)
    page.get_by_role("button", name="Forget what is <b>ours").click()
    expect(page.get_by_role("link", name="what is <b>ours")).to_have_count(0)


def test_jobs_of_a_busy_minute_are_spread(site: Site, open_page: NewPage) -> None:
    for name in ("crowd-1", "crowd-2"):
        site.client.save_job(Job(name=name, schedule="0 7 13 * * *", run=shell("true"), timezone="Europe/Berlin"))
    page = live(open_page("/ui/schedule"))
    cell = page.locator("table.week tbody tr").nth(3).locator("td").nth(13)
    expect(cell).to_have_text("2")
    cell.get_by_role("link").click()
    page.get_by_role("link", name="Spread these").click()
    page.get_by_label("Spread crowd-2").uncheck()
    page.get_by_role("button", name="Spread the chosen jobs").click()
    expect(page.get_by_role("status").first).to_contain_text("a minute of its own")
    assert [site.client.job(name).job.schedule for name in ("crowd-1", "crowd-2")] == ["0 H 13 * * *", "0 7 13 * * *"]


def test_keys_lead_to_the_buttons_that_run_and_pause(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs/by-hand"))
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Run now: by-hand")).to_be_focused()
    page.keyboard.press("p")
    expect(page.locator("#ask-pause input[name=reason]")).to_be_focused()
    assert not site.client.maintenance.pauses(), "a key alone pauses nothing"
