"""How runs ended, and which of them ended alike."""

from __future__ import annotations

import re

import pytest

from dkronpy.client import Client
from dkronpy.execution import Attempt, Execution, Output, Run, run_id
from dkronpy.web.endings import Ending, Endings, grouped, last_line
from tests.support import wait_until
from tests.unit.web.conftest import Browser, Door, save, visible

REFUSED = b"connecting\n\x1b[31mConnectionError: connection refused to crm:443 after 3 s\x1b[0m\n\n"


def ended(client: Client, job: str, minute: int, output: bytes = b"", state: str = "failed", **fields: object) -> Run:
    """A run that is over, on one node."""
    due = 1_795_000_000_000 + minute * 60_000
    name = run_id(job, due)
    reason = "exit" if state == "failed" else ""
    run = Run(
        id=name, job=job, due_ms=due, fired_ms=due, finished_ms=due + 900, state=state, reason=reason,
        execution_ids=(f"{name}.0",), message="exit status 2" if reason else "", **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    client.deployment.results.save_run(run)
    client.deployment.results.save_execution(
        Execution(
            id=f"{name}.0", run_id=name, job=job, due_ms=due, node="web-1", state=state, reason=reason, attempt=2,
            finished_ms=due + 900, output=Output(head=output, size=len(output)),
            attempts=(Attempt(number=1, state="failed", exit_code=1), Attempt(number=2, state=state, exit_code=2)),
        )
    )  # fmt: skip
    return run


def test_an_ending_says_where_how_and_with_which_words(client: Client) -> None:
    bad, good = ended(client, "a", 1, REFUSED), ended(client, "a", 2, state="success")
    found = Endings(client).find([good, bad], 60)
    assert found[bad.id] == Ending(
        nodes=("web-1",), attempts=2, exit_code=2, heard=True,
        words="ConnectionError: connection refused to crm:443 after 3 s",
    )  # fmt: skip
    assert found[good.id] == Ending(nodes=("web-1",), attempts=2)


def test_what_is_known_is_not_read_again(client: Client) -> None:
    run = ended(client, "a", 1, REFUSED)
    endings = Endings(client)
    known = endings.find([run], 60)
    client.deployment.store.client.flushdb()
    assert endings.find([run], 60) == known


def test_the_last_line_is_what_was_printed_last() -> None:
    assert last_line("one\n  two\x1b[0m  \n\n") == "two"
    assert last_line("") == ""
    assert len(last_line("x" * 9_000)) == 300


def test_runs_are_alike_by_their_words_whatever_the_numbers_in_them(client: Client) -> None:
    runs = [
        ended(client, "a", 5, b"refused to crm:443 after 3 s"),
        ended(client, "b", 4, b"refused to crm:443 after 71 s"),
        ended(client, "b", 3, b"no such table"),
        ended(client, "a", 2, state="success"),
        ended(client, "b", 1, b"refused to crm:443 after 2 s"),
    ]
    (group,) = grouped(runs, Endings(client).find(runs, 60), {})
    assert (group.text, len(group.runs), group.jobs) == ("refused to crm:443 after 3 s", 3, ("a", "b"))


def test_an_exit_status_without_a_word_is_alike_within_a_job_only(client: Client) -> None:
    runs = [ended(client, job, minute) for minute, job in enumerate(("a", "b", "b", "c"))]
    (group,) = grouped(runs, Endings(client).find(runs), {})
    assert (group.text, len(group.runs), group.jobs) == ("exit status 2", 2, ("b",))


def test_the_runs_page_groups_failures_and_shows_those_alike(browser: Browser, client: Client, door: Door) -> None:
    save(client, "crm"), save(client, "feed"), save(client, "other")
    newest = ended(client, "crm", 9, REFUSED)
    ended(client, "feed", 8, REFUSED), ended(client, "other", 7, b"no such table\n")
    words = re.compile(r"2. ConnectionError: connection refused to crm:443 after 3 s crm , feed ; last")
    seen = wait_until(  # a page has what it knows within its patience, and the rest when it asks again
        lambda: words.search(page := visible(browser.get("/runs"))) and "no such table" in page and page,
        description="the last words are read",
    )
    assert "web-1" in seen
    alike = visible(browser.get(f"/runs?like={newest.id}").partition("<tbody>")[2])
    assert alike.count("ConnectionError") == 2
    assert "no such table" not in alike
    assert "Needs attention" in (first := visible(browser.get("/")))
    assert "no such table" in first
    door.jobs = {"other"}
    assert "crm" not in visible(browser.get(f"/runs?like={newest.id}").partition("<main")[2])


def test_a_text_is_found_in_last_words(browser: Browser, client: Client) -> None:
    save(client, "a"), save(client, "b")
    refused, other = ended(client, "a", 1, REFUSED), ended(client, "b", 2, b"no such table")

    def found() -> str:
        html = browser.get("/runs?text=Refused+TO+crm")
        return "" if "tick" in html.partition('data-live="')[2][:12] else html

    html = wait_until(found, description="the last words are read")
    assert refused.id in html
    assert other.id not in html
    assert "No run fits" in wait_until(
        lambda: (html := browser.get("/runs?text=nonsense")) and "still being read" not in html and html,
        description="the last words are read",
    )


def test_a_search_says_how_far_it_looked_and_goes_on_from_there(
    browser: Browser, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dkronpy.web.runs._SEARCHED", 3)
    save(client, "a")
    runs = [ended(client, "a", minutes, REFUSED if minutes == 4 else b"no such table") for minutes in range(4, 10)]
    html = wait_until(
        lambda: (html := browser.get("/runs?text=refused")) and "still being read" not in html and html,
        description="the last words are read",
    )
    assert "Searched 3 runs, back to" in visible(html)
    assert "No run fits" in html
    further = re.search(r'href="/ui(/runs\?[^"]*)" rel="next">Search older', html)
    assert further
    older = wait_until(
        lambda: (html := browser.get(further[1].replace("&amp;", "&"))) and "still being read" not in html and html,
        description="the last words of the older ones are read",
    )
    assert "Searched 3 runs" in visible(older)
    assert runs[0].id in older
