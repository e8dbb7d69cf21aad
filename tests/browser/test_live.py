"""What happens elsewhere is seen here at once, and survives a cut connection."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import expect

from dkronpy.job import Job
from dkronpy.marks import MIXED, STDERR, STDOUT, Mark
from dkronpy.store.output import OutputWriter
from tests.browser.conftest import Counting, NewPage, Site, ended, in_both_themes, live, running, shell

_LISTEN = """() => {
  window.same = true;
  window.told = [];
  document.addEventListener("dk:topics", ({ detail }) => window.told.push(...detail));
}"""


def test_a_run_started_elsewhere_appears_without_a_reload(site: Site, open_page: NewPage) -> None:
    pages = [live(open_page("/ui/")), live(open_page("/ui/runs"))]
    for page in pages:
        page.evaluate(_LISTEN)
    run = site.client.run_job("by-hand").run.id
    for page in pages:
        expect(page.locator(f'[id="run-{run}"]')).to_be_visible()
        # Told of this very run, and not by chance of something else; how soon is what `scripts/bench web` measures.
        page.wait_for_function("(run) => window.told.includes(run)", arg=f"run:{run}")
    ended(site, run)
    for page in pages:
        expect(page.locator(f'[id="run-{run}"] .badge')).to_contain_text("success")
        assert page.evaluate("window.same"), "the page was loaded anew"


def test_a_tick_and_an_open_menu_survive_what_comes_in(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/jobs"))
    page.get_by_label("Choose never").check()
    run = site.client.run_job("by-hand").run.id
    expect(page.locator('#job-by-hand a[href*="/runs/"]')).to_have_attribute("href", re.compile(re.escape(run)))
    expect(page.get_by_label("Choose never")).to_be_checked()
    expect(page.locator("#chosen")).to_have_text("1 chosen")


def test_output_is_followed_to_its_end(open_page: NewPage, counts: Counting) -> None:
    page = live(open_page(f"/ui/runs/{counts.run}"))
    page.evaluate("window.same = true")
    expect(page.locator("#state")).to_contain_text("running")
    expect(page.locator("#log pre")).to_contain_text("line 3 ")
    counts.go_on()
    expect(page.locator("#state")).to_contain_text("success")
    text = page.locator("#log pre").inner_text()
    assert [int(number) for number in re.findall(r"line (\d+) ", text)] == list(range(1, 13))
    assert "<script>alert(1)</script>" in text
    assert page.locator("#log .c-green").first.inner_text() == "line"
    assert page.evaluate("window.same"), "the page was loaded anew"


def test_a_cut_connection_leaves_no_hole(site: Site, open_page: NewPage, counts: Counting) -> None:
    page = live(open_page(f"/ui/runs/{counts.run}"))
    expect(page.locator("#log pre")).to_contain_text("line 3 ")
    site.restart(counts.go_on)
    expect(page.locator("#state")).to_contain_text("success")
    expect(page.locator("#log pre")).to_contain_text("line 12 ")
    text = page.locator("#log pre").inner_text()
    assert [int(number) for number in re.findall(r"line (\d+) ", text)] == list(range(1, 13))


def test_each_line_bears_its_time_when_that_is_wanted(open_page: NewPage, counts: Counting, axe: str) -> None:
    page = live(open_page(f"/ui/runs/{counts.run}"))
    expect(page.locator("#log pre")).to_contain_text("line 3 ")
    expect(page.locator("#log i[data-t]").first).to_be_hidden()
    page.locator("#times").click()
    expect(page.locator("#times")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#log i[data-t]").first).to_be_visible()
    counts.go_on()
    expect(page.locator("#log pre")).to_contain_text("line 12 ")
    expect(page.locator("#state")).to_contain_text("success")
    expect(page.locator("#follow")).to_have_count(0)  # it has loaded the whole of it anew
    assert page.evaluate(LINES_WITHOUT_A_TIME) == []
    assert "data-t" not in page.locator("#log pre").inner_text()
    page.reload()
    expect(page.locator("#times")).to_have_attribute("aria-pressed", "true")
    stamp = page.locator("#log i[data-t]").first
    expect(stamp).to_be_visible()
    assert re.fullmatch(r"\d\d:\d\d:\d\d", stamp.get_attribute("data-t") or "")
    assert not in_both_themes(page, axe)
    page.locator("#find").fill("line 12 ")
    expect(page.locator("#found-lines")).to_have_text("1 of 1")
    page.locator("#times").click()
    expect(stamp).to_be_hidden()


def test_times_are_the_browsers_from_its_first_visit(site: Site, open_page: NewPage) -> None:
    run, _ = site.fleet.run_now("by-hand")
    path, stamp = f"/ui/runs/{run.id}", "#log i[data-t]"
    utc = open_page(path, timezone_id="UTC").locator(stamp).first.get_attribute("data-t")
    there = datetime.strptime(utc or "", "%H:%M:%S") + timedelta(hours=5, minutes=45)  # noqa: DTZ007 - a time of day
    page = live(open_page(path, timezone_id="Asia/Kathmandu"))
    expect(page.locator(stamp).first).to_have_attribute("data-t", f"{there:%H:%M:%S}")
    page.get_by_role("button", name="in UTC").click()
    expect(page.locator(stamp).first).to_have_attribute("data-t", utc or "")
    page.get_by_role("button", name="in this browser's zone").click()
    expect(page.locator(stamp).first).to_have_attribute("data-t", f"{there:%H:%M:%S}")


def test_standard_error_alone_is_shown_when_that_is_wanted(
    site: Site, open_page: NewPage, axe: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = shell(f"while [ ! -e {go} ]; do sleep 0.1; done")
    site.client.save_job(Job(name="apart", schedule="@manually", run=command))
    run = running(site, "apart")
    writer = OutputWriter(site.client.deployment.store, f"{run}.0", 1, 100_000)
    written = Written(writer)
    written.add(b"reading 12 rows\n", STDOUT)
    page = live(open_page(f"/ui/runs/{run}"))
    button, text = page.locator("#stderr"), page.locator("#log pre")
    expect(text).to_contain_text("12 rows")
    expect(button).to_be_hidden()
    written.add(b"Traceback of 12:\n  line 3\n", STDERR)  # it comes live, and with it the choice
    written.add(b"wrote 12 rows", STDOUT)
    written.add(b"\x1b[31mKeyError\x1b[0m: 'customer'\n", STDERR)
    written.add(b"the end of 12\n", MIXED)
    expect(text).to_contain_text("the end")
    alone = ["Traceback of 12:", "  line 3", "KeyError: 'customer'", "the end of 12"]
    everything = ["reading 12 rows", *alone[:2], "wrote 12 rows", *alone[2:]]

    def shown() -> list[str]:
        return [line for line in text.inner_text().splitlines() if line]

    assert shown() == everything
    expect(page.get_by_role("group", name="stderr").first).to_contain_text("Traceback")
    page.locator("#find").fill("12")
    expect(page.locator("#found-lines")).to_have_text("1 of 4")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#found-lines")).to_have_text("1 of 2")
    assert shown() == alone
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert shown() == alone
    assert not in_both_themes(page, axe)
    button.click()
    assert shown() == everything
    assert not in_both_themes(page, axe)
    written.add(b"more\n" * 600, STDERR)
    written.add(b"and more\n", STDOUT)
    expect(text).to_contain_text("and more")
    expect(page.locator("#log .block")).to_have_count(2)  # a page that holds much is drawn in blocks
    go.touch()
    ended(site, run)


class Written:
    """An output whose streams are told apart, written by hand."""

    def __init__(self, writer: OutputWriter) -> None:
        self._writer, self._size = writer, 0

    def add(self, data: bytes, stream: int) -> None:
        """Go on with these bytes."""
        self._writer.write(data, marks=[Mark(self._size, 1_795_400_000_000 + self._size, stream)])
        self._size += len(data)


LINES_WITHOUT_A_TIME = """() => {
  const copy = document.querySelector("#log pre").cloneNode(true);
  copy.querySelectorAll("i[data-t]").forEach((one) => one.textContent = "@" + one.dataset.t + " ");
  return copy.textContent.split("\\n").filter((line) => line && !/^@\\d\\d:\\d\\d:\\d\\d /.test(line));
}"""


def test_a_hundred_thousand_lines_are_followed_and_searched(site: Site, open_page: NewPage, tmp_path: Path) -> None:
    go = tmp_path / "go"
    command = shell(f"echo ready; while [ ! -e {go} ]; do sleep 0.1; done; seq 100000; echo the end")
    site.client.save_job(Job(name="much", schedule="@manually", run=command, output_limit=2_000_000))
    run = running(site, "much")
    page = live(open_page(f"/ui/runs/{run}"))
    expect(page.locator("#log pre")).to_contain_text("ready")
    page.locator("#times").click()
    go.touch()
    expect(page.locator("#log pre")).to_contain_text("the end", timeout=60_000)
    lines = page.locator("#log pre").evaluate("(it) => it.textContent.split('\\n')")
    following = lines[lines.index("the end") - 1]
    assert following == "100000"
    if "1" in lines:  # all of it came while the page followed
        assert lines[lines.index("1") : lines.index("the end")] == [str(number) for number in range(1, 100_001)]
    page.locator("#find").fill("99998")
    expect(page.locator("#found-lines")).to_have_text("1 of 1")
    page.mouse.wheel(0, -500)
    assert page.evaluate("new Promise((done) => requestAnimationFrame(() => done(true)))")


def test_a_page_says_when_it_is_not_live_and_catches_up(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/runs"))
    started: list[str] = []

    def meanwhile() -> None:
        expect(page.locator("#live-word")).to_have_text(re.compile(r"reconnecting, as of \d\d:\d\d:\d\d"))
        started.append(site.client.run_job("by-hand").run.id)

    site.restart(meanwhile)
    expect(page.locator(f'[id="run-{started[0]}"]')).to_be_visible()
    live(page)


def test_what_somebody_else_deletes_is_said_to_be_gone(site: Site, open_page: NewPage) -> None:
    site.client.save_job(Job(name="shared", schedule="@manually", run=shell("true")))
    page = live(open_page("/ui/jobs/shared", refused=True))
    site.client.delete_job("shared")
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no such page")
    expect(page.locator("#main")).to_contain_text("there is no job named 'shared'")


def test_the_coming_week_fills_in_by_itself(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/schedule"))
    monday = page.locator("tr", has_text="Mon").locator("td").nth(11)
    expect(page.locator("table.week")).to_be_visible()
    page.evaluate("window.same = true")
    site.client.save_job(Job(name="weekly", schedule="0 7 11 * * MON", timezone="Europe/Berlin", run=shell("true")))
    expect(monday).to_have_text("1")
    assert page.evaluate("window.same"), "the page was loaded anew"
    monday.get_by_role("link").click()
    expect(page.locator("#hour")).to_contain_text("weekly")
    site.client.delete_job("weekly")
    expect(page.locator("#hour")).not_to_contain_text("weekly")
