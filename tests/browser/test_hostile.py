"""Script in everything that somebody else can write: it is shown as text, and never runs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Dialog, Page, expect

from dkronpy import Param
from dkronpy.job import Job, Run
from tests.browser.conftest import NewPage, Site, live, shell
from tests.support import wait_until

EVIL = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'{{7*7}}</textarea></title><svg/onload=alert(3)>"

DANGEROUS = "main img:not(.brand > img), main script, main svg[onload]"


def watched(page: Page) -> list[str]:
    """What an attack would have done so far."""
    done: list[str] = []

    def dialog(one: Dialog) -> None:
        done.append(one.message)
        one.dismiss()

    page.on("dialog", dialog)
    return done


def test_no_field_brings_script_onto_a_page(site: Site, open_page: NewPage) -> None:
    command = f"cat <<'EOF'\n{EVIL}\nEOF\nexit 1"
    site.client.save_job(
        Job(
            name="evil", display_name=EVIL, doc=EVIL, owner=EVIL, owner_email="a@example.com", metadata={"team": EVIL},
            schedule="@manually", run=Run("shell", {"command": command, "shell": "true"}),
        )
    )  # fmt: skip
    site.client.save_job(
        Job(
            name="evil-child",
            display_name=EVIL,
            after="evil",
            run=Run("shell", {"command": "true", "cwd": EVIL.replace("{{7*7}}", "")}),
        )
    )
    run, _ = site.fleet.run_now("evil")
    page = live(open_page("/ui/", refused=True))
    done = watched(page)
    text = quote(EVIL)
    for path in (
        "/ui/", "/ui/jobs?q=evil", f"/ui/jobs?q={text}", "/ui/jobs/evil", "/ui/jobs/evil/statistics",
        "/ui/jobs/evil/due", "/ui/jobs/evil/definition", "/ui/jobs/evil/edit", "/ui/graph", f"/ui/runs/{run.id}",
        "/ui/runs?job=evil", f"/ui/runs?text={text}&job={text}", f"/ui/audit?who={text}&text={text}",
        f"/ui/jobs/{text}", f"/ui/runs/{text}", f"/ui/nodes/{text}", f"/ui/sign-in?next={text}",
        f"/ui/schedule?hour={text}&view={text}", f"/ui/schedule?view=day&day={text}",
        f"/ui/timeline?q={text}&from={text}&to={text}&span={text}&rows={text}",
        f"/ui/runs?like={text}", f"/ui/runs?like={quote(run.id)}", "/ui/timeline?q=evil",
        "/ui/settings", "/ui/pauses",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state()
        assert page.locator(DANGEROUS).count() == 0, path
    page.goto("/ui/jobs/evil")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(2)</script>")
    page.goto(f"/ui/runs/{run.id}")
    expect(page.locator("#log pre")).to_contain_text("<script>alert(2)</script>")
    expect(page.locator(".last-line")).to_contain_text("<img src=x")
    assert not done


def test_what_is_typed_or_pasted_is_text(open_page: NewPage) -> None:
    page = open_page("/ui/new?as=json", refused=True)
    done = watched(page)
    definition: dict[str, Any] = {"name": EVIL, "schedule": EVIL, "executor": EVIL, "timezone": EVIL}
    page.get_by_label("JSON, as Dkron writes jobs").fill(str(definition).replace("'", '"'))
    expect(page.locator("#means .badge")).not_to_have_count(0)
    page.get_by_label("JSON, as Dkron writes jobs").fill(EVIL)
    expect(page.locator("#means")).to_contain_text("JSON")
    assert page.locator(DANGEROUS).count() == 0
    assert not done


def test_the_fields_of_a_new_job_are_text(open_page: NewPage) -> None:
    page = open_page("/ui/new", refused=True)
    done = watched(page)
    for field in page.locator("form.stack :is(input, textarea):not([type=hidden])").all():
        field.fill(EVIL)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#problems li")).not_to_have_count(0)
    expect(page.get_by_label("Command")).to_have_value(EVIL)
    clean(page, "a new job")
    page.get_by_role("button", name="Go on as JSON").click()
    expect(page.get_by_label("JSON, as Dkron writes jobs")).to_have_value(re.compile("onload=alert"))
    clean(page, "as JSON")
    assert not done


def test_nodes_metadata_and_parameters_are_text(site: Site, open_page: NewPage) -> None:
    agent = site.fleet.agent("evil-node", note=EVIL)
    name = f"x{EVIL}"
    params = {"one": Param(default=EVIL, choices=(EVIL, "b"), doc=EVIL), "two": Param(default="", pattern=f".*|{EVIL}")}
    site.client.save_job(
        Job(
            name="evil-given",
            schedule="@manually",
            run=shell("true"),
            metadata={name: EVIL},
            params=params,
        )
    )
    run = site.client.run_job("evil-given", params={"two": EVIL}).run.id
    site.fleet.ended(run)
    page = open_page("/ui/", refused=True)
    done = watched(page)
    for path, shown in (
        ("/ui/nodes", "<script>alert(2)"), ("/ui/nodes/evil-node", "<script>alert(2)"),
        ("/ui/jobs?q=evil-given", "evil-given"),
        ("/ui/jobs/evil-given", "evil-given"), ("/ui/jobs/evil-given/definition", "<script>alert(2)"),
        ("/ui/jobs/evil-given/run", "<script>alert(2)"),
        (f"/ui/jobs/evil-given/run?like={quote(run)}", "<script>alert(2)"),
        (f"/ui/runs/{run}", f"two={EVIL}"), ("/ui/runs", "evil-given"), ("/ui/audit", "Audit log"),
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_load_state()
        expect(page.locator("main")).to_contain_text(shown)
        clean(page, path)
    page.goto("/ui/jobs/evil-given/run")
    page.get_by_label("two").evaluate("(one, name) => { one.name = name; }", f"param.{EVIL}")
    page.get_by_role("button", name="Run evil-given").click()
    expect(page.get_by_role("alert")).to_contain_text("<script>alert(2)")
    clean(page, "an unknown parameter")
    assert not done
    agent.kill()
    wait_until(lambda: "evil-node" not in site.fleet.alive(), timeout=30, description="the node is gone")
    page.goto("/ui/nodes")
    page.locator("#node-evil-node").get_by_text("Forget…").click()
    page.get_by_role("button", name="Forget evil-node").click()
    expect(page.get_by_role("status")).to_have_text("The node is forgotten.")
    assert [node.name for node in site.client.nodes()] == ["node-1"]  # the other tests know one


def test_the_reason_of_a_pause_and_the_note_of_a_revision_are_text(site: Site, open_page: NewPage) -> None:
    job = Job(name="evil-note", schedule="0 0 5 1 1 *", run=shell("true"), metadata={"team": EVIL})
    site.client.save_job(job)
    site.client.save_job(job.but(doc="anew"), by=EVIL, why=EVIL)
    site.client.maintenance.pause(reason=EVIL, by=EVIL)
    site.client.maintenance.pause(tag=f"team={EVIL}", reason=EVIL)
    page = open_page("/ui/jobs/evil-note", refused=True)
    done = watched(page)
    for path in ("/ui/", "/ui/jobs/evil-note", "/ui/jobs/evil-note/definition", "/ui/pauses", "/ui/schedule"):
        page.goto(path)
        expect(page.locator("main")).to_contain_text("<script>alert(2)")
        clean(page, path)
    for path in ("/ui/jobs?q=evil-note", f"/ui/nodes?by={quote(EVIL)}"):
        page.goto(path)
        clean(page, path)
    page.goto("/ui/settings")
    page.get_by_label("Times in").fill(EVIL)
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("main")).to_contain_text("<script>alert(2)")
    clean(page, "an unknown zone")
    assert not done


def test_the_crontab_box_and_the_name_of_a_token_are_text(site: Site, open_page: NewPage) -> None:
    page = open_page("/ui/tokens", refused=True)
    done = watched(page)
    page.locator("form.stack").evaluate("(form) => { form.noValidate = true; }")
    page.get_by_label("Name").fill(EVIL)
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("alert")).to_contain_text("<script>alert(2)")
    expect(page.get_by_label("Name")).to_have_value(EVIL[:100])
    clean(page, "tokens")
    page.locator("form.stack").evaluate(
        "(form, text) => { form.action = '/ui/crontab'; form.noValidate = true;"
        " const field = document.createElement('textarea'); field.name = 'crontab'; field.value = text;"
        " form.append(field);"
        " form.requestSubmit(); }",
        f"{EVIL}\nX={EVIL}\n30 2 * * * {EVIL}\n{EVIL} 2 * * * true\n",
    )
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody")).to_contain_text("<script>alert(2)")
    clean(page, "crontab")
    assert not done


def clean(page: Page, where: str) -> None:
    """What would have been an element has to be text."""
    assert page.locator(DANGEROUS).count() == 0, where


def test_a_form_of_another_site_does_nothing(site: Site, open_page: NewPage) -> None:
    page = open_page("/ui/jobs/by-hand", refused=True)
    before = len(site.client.runs(job="by-hand"))
    html = f'<form method="post" action="{site.url}/ui/jobs/by-hand/run"><button>go</button></form>'
    page.route("http://evil.example/", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("http://evil.example/")
    page.get_by_role("button").click()
    expect(page.locator("body")).to_contain_text("may not use this server")
    assert len(site.client.runs(job="by-hand")) == before
