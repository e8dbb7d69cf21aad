"""The form of a job with parameters: a field for each, what is wrong beside it, and what a run was given."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from dkronpy import Param
from dkronpy.client import Client
from dkronpy.web.job_run import chosen, rules_of
from tests.unit.web.conftest import Browser, Door, save, visible

PARAMS = {
    "days": Param(type="integer", default=7, minimum=1, maximum=90, doc="How far <back>"),
    "customer": Param(pattern="[a-z]+"),
    "mode": Param(default="full", choices=("full", "quick")),
    "dry": Param(type="boolean", default=False),
}


@pytest.fixture
def export(client: Client) -> Client:
    save(client, "export", schedule="@manually", params=PARAMS)
    return client


def value_of(html: str, name: str) -> str:
    """What stands in a field."""
    found = re.search(rf'name="param.{name}" value="([^"]*)"', html) or re.search(
        rf'name="param.{name}".*?<option selected value="([^"]*)"', html, re.DOTALL
    )
    assert found, name
    return found[1]


def test_every_parameter_has_a_field(browser: Browser, export: Client) -> None:
    page = browser.get("/jobs/export/run")
    assert [value_of(page, name) for name in PARAMS] == ["7", "", "full", "false"]
    text = visible(page)
    assert "How far &lt;back&gt;" in text
    assert "integer, from 1 to 90; 7 unless said" in text
    assert "text, all of it matches [a-z]+; needed" in text
    assert 'href="/ui/jobs/export/run"' in browser.get("/jobs/export")
    assert 'href="/ui/jobs/export/run"' in browser.get("/jobs")


def test_a_job_without_parameters_keeps_its_button(browser: Browser, client: Client) -> None:
    save(client, "backup")
    for path in ("/jobs/backup", "/jobs"):
        assert 'action="/ui/jobs/backup/run"' in browser.get(path)
    answer = browser.client.get("/ui/jobs/backup/run", follow_redirects=False)
    assert answer.headers["location"] == "/ui/jobs/backup"


def test_what_does_not_fit_is_said_beside_the_field_and_stays_there(browser: Browser, export: Client) -> None:
    fields = {"param.days": "91", "param.customer": "<A>", "param.mode": "quick", "param.dry": "true"}
    page = browser.send("/jobs/export/run", status=422, **fields).text
    assert [value_of(page, name) for name in PARAMS] == ["91", "&lt;A&gt;", "quick", "true"]
    assert 'id="param.days-wrong" role="alert">91 is more than 90<' in page
    assert 'id="param.customer-wrong" role="alert">&#39;&lt;A&gt;&#39; does not match [a-z]+<' in page
    assert "param.mode-wrong" not in page
    assert "a value is needed" in browser.send("/jobs/export/run", status=422).text
    gone = browser.send("/jobs/export/run", status=422, **{"param.customer": "acme", "param.moed": "x"}).text
    assert "there is no parameter &#39;moed&#39;" in gone
    assert not export.runs(job="export")


def test_a_run_shows_what_it_was_given_also_when_it_has_ended(browser: Browser, export: Client) -> None:
    fields = {"param.days": "30", "param.customer": "acme", "param.mode": "full", "param.dry": "true"}
    browser.send("/jobs/export/run", **fields)
    (run,) = export.runs(job="export")
    for _ in range(2):
        page = visible(browser.get(f"/runs/{run.id}"))
        assert "Given customer=acme days=30 dry=true Definition" in page
        if export.run(run.id).run.state == "running":
            export.cancel_run(run.id)
    assert export.run(run.id).run.params == '{"customer":"acme","days":30,"dry":true}'
    link = f"/jobs/export/run?like={quote(run.id, safe='')}"
    assert f'href="/ui{link}"' in browser.get(f"/runs/{run.id}")
    again = browser.get(link)
    assert [value_of(again, name) for name in PARAMS] == ["30", "acme", "full", "true"]


def test_whoever_may_only_look_sees_no_way_to_it(browser: Browser, export: Client, door: Door) -> None:
    run = export.run_job("export", params={"customer": "acme"}).run
    door.actions = set()
    for path in ("/jobs/export", "/jobs", f"/runs/{run.id}"):
        assert "/jobs/export/run" not in browser.get(path)


@pytest.mark.parametrize(
    ("param", "words"),
    [
        (Param(), "text; needed"),
        (Param(default=""), "text; empty unless said"),
        (Param(type="number", default=0.5, minimum=0), "number, at least 0; 0.5 unless said"),
        (Param(type="integer", default=1, maximum=9), "integer, at most 9; 1 unless said"),
        (Param(type="boolean", default=True), "boolean; true unless said"),
    ],
)
def test_what_fits_is_said_in_words(param: Param, words: str) -> None:
    assert rules_of(param) == words


def test_only_what_was_changed_is_given() -> None:
    typed = {"days": "7", "customer": "", "mode": "", "dry": "true", "gone": ""}
    assert chosen(PARAMS, typed) == {"mode": "", "dry": "true", "gone": ""}
