"""Every page in both themes and on a phone: nothing for axe to find, nothing cut off or blank, little to load."""

from __future__ import annotations

import re
from itertools import chain

import pytest
import requests
from playwright.sync_api import Locator, Page, Response, expect

from dkronpy.web.nowhere import BELOW
from dkronpy.web.routes import web_routes
from tests.browser.conftest import NewPage, Site, in_both_themes, live
from tests.support import wait_until

MOST_REQUESTS, MOST_BYTES = 6, 60_000


PAGES = {
    "/": ("/", "/?rows=nodes&span=6h", "/?rows=chains"),
    "/jobs": ("/jobs", "/jobs?q=nothing"),
    "/jobs/{job:str}": ("/jobs/heartbeat", "/jobs/second", "/jobs/off"),
    "/jobs/{job:str}/run": ("/jobs/export/run",),
    "/jobs/{job:str}/statistics": ("/jobs/heartbeat/statistics", "/jobs/off/statistics"),
    "/jobs/{job:str}/due": ("/jobs/heartbeat/due",),
    "/jobs/{job:str}/definition": ("/jobs/heartbeat/definition",),
    "/jobs/{job:str}/edit": ("/jobs/never/edit",),
    "/new": ("/new", "/new?as=json"),
    "/graph": ("/graph",),
    "/runs": ("/runs", "/runs?text=nothing"),
    "/runs/{run:str}": ("/runs/{failed}", "/runs/{many}"),
    "/nodes": ("/nodes",),
    "/nodes/{node:str}": ("/nodes/node-1",),
    "/schedule": ("/schedule", "/schedule?hour={hour}", "/schedule?view=day&hour={minute}", "/schedule?view=month"),
    "/schedule/spread": ("/schedule/spread?minute={minute}",),
    "/settings": ("/settings",),
    "/executors": ("/executors",),
    "/pauses": ("/pauses",),
    "/timeline": ("/timeline?span=6h", "/timeline?rows=nodes", "/timeline?rows=chains"),
    "/tokens": ("/tokens",),
    "/audit": ("/audit",),
    "/sign-in": ("/sign-in",),
    **{f"{one}/{{rest:path}}": () for one in BELOW},
    "/{rest:path}": ("/no/such/page",),
}
"""Each route of a page with addresses that it answers."""
SHARES = 5
"""So many tests share the work of looking at every page, so that none of them takes long on a slow machine."""
OTHERS = ("/jobs/no-such-job",)
NO_PAGES = {
    "/events", "/runs/{run:str}/follow/{index:int}/{attempt:int}", "/runs/{run:str}/output/{index:int}/{attempt:int}",
    "/static/{digest:str}/{name:str}",
}  # fmt: skip


def paths(site: Site) -> list[str]:
    """An address of every kind of page."""
    minute = site.client.job("nightly").stored.due_ms
    assert minute
    given = {
        "failed": site.client.runs(job="broken", limit=1)[0].id,
        "many": site.client.runs(job="everywhere", limit=1)[0].id,
        "minute": minute,
        "hour": minute - minute % 3_600_000,
    }
    found = [f"/ui{path.format(**given)}" for path in (*chain.from_iterable(PAGES.values()), *OTHERS)]
    spread = next(path for path in found if "/spread?" in path)
    wait_until(lambda: _counted(site, spread), timeout=60, description="the coming week is counted")
    return found


def _counted(site: Site, spread: str) -> bool:
    """Whether the minute is known; asking for the week has it counted."""
    requests.get(f"{site.url}/ui/schedule", timeout=20).raise_for_status()
    return requests.get(site.url + spread, timeout=20).ok


def test_every_page_has_its_row_here(site: Site) -> None:
    routes = [route for router in web_routes(site.client) for route in router.routes]
    pages = {route.path.removeprefix("/ui") or "/" for route in routes if "GET" in route.methods}
    assert pages == PAGES.keys() | NO_PAGES


@pytest.mark.parametrize("share", range(SHARES))
def test_axe_finds_nothing_in_either_theme(site: Site, open_page: NewPage, axe: str, share: int) -> None:
    page = open_page("/ui/", refused=True, reduced_motion="reduce")
    found = []
    for path in paths(site)[share::SHARES]:
        page.goto(path)
        found += [(path, *one) for one in in_both_themes(page, axe)]
    assert not found, found


def test_axe_finds_nothing_on_pages_that_forms_lead_to(site: Site, open_page: NewPage, axe: str) -> None:
    page = open_page("/ui/jobs?q=first", reduced_motion="reduce")
    page.get_by_label("Choose all jobs on this page").check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Delete")
    assert not in_both_themes(page, axe)


def test_nothing_is_cut_off_on_a_phone(site: Site, open_page: NewPage) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
    page = open_page("/ui/", refused=True, **phone)
    for path in paths(site):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        cut = page.evaluate(
            "[...document.querySelectorAll('main :is(h1, p, td, button, a, dd)')].filter((one) => {"
            " const box = one.getBoundingClientRect();"
            " return box.width && box.right > 391 && !one.closest('.scroll, .hidden, .week'); })"
            ".map((one) => one.outerHTML)"
        )
        assert not cut, (path, cut)


@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/jobs", "/ui/runs", "/ui/timeline", "/ui/schedule", "/ui/jobs/heartbeat/statistics"]
)
def test_a_page_loads_little(open_page: NewPage, path: str) -> None:
    page = open_page("/ui/sign-in")
    page.context.add_cookies([{"name": "dkronpy_zone", "value": "Europe/Berlin", "url": page.url}])
    loaded: dict[str, int] = {}

    def note(response: Response) -> None:
        loaded[response.url] = int(response.headers.get("content-length", "0"))

    page.on("response", note)
    page.goto(path)
    live(page)
    # The stream of changes is the worker's request, and no page's.
    assert len(loaded) + 1 <= MOST_REQUESTS, loaded
    assert sum(loaded.values()) < MOST_BYTES, loaded
    assert len(loaded) >= 3


def test_the_timeline_is_drawn_and_can_be_moved(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/"))
    before = wait_until(lambda: (found := ink(page)) > 50 and found, timeout=30, description="the canvas is not blank")
    assert page.locator("time-line").evaluate("(it) => it.getBoundingClientRect().width") > 900
    page.locator("time-line canvas").focus()
    for _ in range(6):
        page.keyboard.press("+")
    assert ink(page) != before
    page.keyboard.press("0")
    box = page.locator("time-line").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 38)
    assert page.locator("time-line #tip").inner_text() in {view.job.name for view in site.client.jobs()}
    page.mouse.click(box["x"] + 20, box["y"] + 38)
    page.wait_for_url("**/ui/jobs/*")


def test_a_chain_is_drawn_as_a_row(site: Site, open_page: NewPage) -> None:
    site.fleet.run_now("first")
    page = live(open_page("/ui/timeline?rows=chains&span=15m"))
    wait_until(lambda: ink(page) > 5, timeout=30, description="the canvas shows what ran")
    box = page.locator("time-line").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 38)
    assert page.locator("time-line #tip").inner_text() == "first +2"


def test_a_time_is_chosen_on_the_strip_of_the_timeline(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/timeline?span=15m"))
    strip = page.locator("time-brush canvas")
    expect(strip).to_be_visible()
    wait_until(lambda: coloured(strip) > 2, timeout=30, description="the strip shows runs that went well")
    wait_until(lambda: ink(page) > 20, timeout=30, description="the canvas is not blank")
    page.keyboard.press("t")
    wait_until(lambda: coloured(strip) > 2, timeout=30, description="and in the dark too")
    box = strip.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d+&to=\d+"))
    start, end = (int(one) for one in re.findall(r"=(\d{13})", page.url))
    assert 0.28 < (end - start) / 86_400_000 < 0.32
    page.get_by_role("link", name="later").click()
    page.wait_for_url(re.compile(f"from={start + (end - start) // 2}"))


def test_durations_are_drawn_and_a_run_is_opened_from_them(site: Site, open_page: NewPage) -> None:
    site.fleet.run_now("by-hand")
    site.fleet.run_now("by-hand")
    page = live(open_page("/ui/jobs/by-hand/statistics"))
    canvas = page.locator("duration-chart canvas")
    expect(canvas).to_be_visible()
    wait_until(lambda: coloured(canvas) > 40, timeout=30, description="the canvas is not blank")
    page.keyboard.press("t")
    page.wait_for_function("document.querySelectorAll('duration-chart canvas').length === 1")
    wait_until(lambda: coloured(canvas) > 40, timeout=30, description="nor in the dark")
    assert page.locator(".past .t-good").count() >= 1
    place = page.evaluate(
        "() => { const chart = document.querySelector('duration-chart'), plot = chart.plot;"
        " const box = plot.over.getBoundingClientRect(),"
        " data = JSON.parse(chart.dataset.chart), last = data.at.length - 1;"
        " return [box.left + plot.valToPos(data.at[last], 'x'), box.top + plot.valToPos(data.took[last], 'y')]; }"
    )
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_url(re.compile("/ui/runs/by-hand(@|%40)"))


def coloured(canvas: Locator) -> int:
    """How many pixels are green, as runs that succeeded are."""
    return int(
        canvas.evaluate(
            "(c) => { const o = new OffscreenCanvas(c.width, c.height).getContext('2d', { willReadFrequently: true });"
            " o.drawImage(c, 0, 0); const d = o.getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 1] - d[i] > 40) n++; return n; }"
        )
    )


def ink(page: Page) -> int:
    """How many pixels of the canvas are green or red, as runs that are over are."""
    return int(
        page.locator("time-line").evaluate(
            "(it) => { const c = it.shadowRoot.querySelector('canvas');"
            " const o = new OffscreenCanvas(c.width, c.height).getContext('2d', { willReadFrequently: true });"
            " o.drawImage(c, 0, 0); const d = o.getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 0; i < d.length; i += 4)"
            " if (d[i + 1] - d[i] > 40 || d[i] - d[i + 1] > 80) n++; return n; }"
        )
    )
