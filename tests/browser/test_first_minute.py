"""An installation that was just made: what it offers, and how the first token closes it."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, in_both_themes

CRONTAB = "MAILTO=ops@example.com\n30 2 * * 1-5 /usr/local/bin/backup.sh --all\nhello there\n"


def open_at(chromium: Browser, site: Site, path: str) -> Page:
    context = chromium.new_context(base_url=site.url, timezone_id="Europe/Berlin")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(path)
    return page


def test_examples_and_a_crontab_make_the_first_jobs(chromium: Browser, empty_site: Site, axe: str) -> None:
    page = open_at(chromium, empty_site, "/ui/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome")
    expect(page.locator(".steps")).to_contain_text("A beat leads")
    assert not in_both_themes(page, axe)
    page.get_by_label("Paste what crontab -l prints").fill(CRONTAB)
    expect(page.get_by_label("The machine's time zone")).to_have_value("Europe/Berlin")
    page.get_by_role("button", name="See what it becomes").click()
    expect(page.locator("#main")).to_contain_text("after the schedule a command is missing")
    assert not in_both_themes(page, axe)
    assert not empty_site.client.jobs()
    page.get_by_role("button", name="Save 1 job").click()
    expect(page.locator("#job-backup")).to_be_visible()
    assert empty_site.client.job("backup").job.timezone == "Europe/Berlin"
    empty_site.client.delete_job("backup")
    page.goto("/ui/")
    page.get_by_role("button", name="Make three example jobs").click()
    expect(page.locator("#main")).to_contain_text("count-to-twenty")
    assert len(empty_site.client.jobs()) == 3
    page.context.close()


def test_the_first_token_closes_the_server_and_a_viewer_sees_no_buttons(chromium: Browser, empty_site: Site) -> None:
    page = open_at(chromium, empty_site, "/ui/tokens")
    page.get_by_label("Name").fill("alice")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("heading", name="The token alice")).to_be_visible()
    page.goto("/ui/")
    page.get_by_role("button", name="Make three example jobs").click()
    page.goto("/ui/tokens")
    page.get_by_label("Name").fill("vic")
    page.get_by_label("Only these jobs").fill("hello weekly-*")
    page.get_by_role("button", name="Make token").click()
    secret = page.locator(".secret").inner_text()

    other = open_at(chromium, empty_site, "/ui/jobs")
    expect(other).to_have_url(re.compile("/ui/sign-in"))
    other.get_by_label("Token").fill(secret)
    other.get_by_role("button", name="Sign in").click()
    expect(other.locator("tbody tr")).to_have_count(2)
    assert other.locator("main button:visible, main [type=checkbox]").all_inner_texts() == ["Find"]
    assert other.context.cookies()[0]["httpOnly"]
    other.goto("/ui/jobs/hello")
    assert other.locator("main button").count() == 0
    for path in ("/ui/tokens", "/ui/audit", "/ui/new", "/ui/jobs/count-to-twenty"):
        answer = other.goto(path)
        assert answer
        assert answer.status in {403, 404}, path

    page.goto("/ui/tokens")
    row = page.locator("tr", has_text="vic")
    row.get_by_text("Revoke…").click()
    row.get_by_label("Type vic to revoke it").fill("vic")
    row.get_by_role("button", name="Revoke vic").click()
    expect(page.get_by_role("status")).to_contain_text("Revoked")
    other.goto("/ui/jobs")
    expect(other.get_by_role("alert")).to_have_text("This token is unknown, expired or revoked.")
    page.goto("/ui/audit")
    expect(page.locator("tbody")).to_contain_text("token vic")
    assert secret not in page.content()
    page.get_by_role("button", name="alice").click()
    expect(page).to_have_url(re.compile("/ui/sign-in"))
    page.goto("/ui/jobs")
    expect(page).to_have_url(re.compile("/ui/sign-in"))
    for one in (page, other):
        one.context.close()
