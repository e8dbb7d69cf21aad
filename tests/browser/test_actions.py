"""What people do: cancel, switch off several, delete, with the mouse, the keyboard, and without script."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from dkronpy.job import Job
from tests.browser.conftest import NewPage, Site, ended, live, running, shell


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
    site.client.toggle_job("never")


def test_the_keyboard_goes_everywhere(open_page: NewPage) -> None:
    page = live(open_page("/ui/"))
    for key, path in (
        ("j", "jobs"),
        ("r", "runs"),
        ("n", "nodes"),
        ("c", "schedule"),
        ("g", "graph"),
        ("s", "settings"),
        ("o", ""),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(f"/ui/{path}$"))
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
    site.client.toggle_job("never")
