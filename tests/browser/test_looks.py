"""Every page in both themes and on a phone: nothing for axe to find, nothing cut off or blank, little to load."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.browser.conftest import NewPage, Site, live
from tests.support import wait_until

MOST_REQUESTS, MOST_BYTES = 6, 60_000
SERIOUS = {"serious", "critical", "moderate"}


def paths(site: Site) -> list[str]:
    """Every kind of page."""
    failed = site.client.runs(job="broken", limit=1)[0].id
    many = site.client.runs(job="everywhere", limit=1)[0].id
    return [
        "/ui/",
        "/ui/?rows=nodes&span=6h",
        "/ui/jobs",
        "/ui/jobs?q=nothing",
        "/ui/jobs/heartbeat",
        "/ui/jobs/heartbeat/statistics",
        "/ui/jobs/heartbeat/due",
        "/ui/jobs/heartbeat/definition",
        "/ui/jobs/second",
        "/ui/timeline?span=6h",
        "/ui/timeline?rows=nodes",
        "/ui/graph",
        "/ui/tokens",
        "/ui/audit",
        "/ui/pauses",
        "/ui/jobs/never/edit",
        "/ui/jobs/export/run",
        "/ui/new",
        "/ui/new?as=json",
        "/ui/runs",
        f"/ui/runs/{failed}",
        f"/ui/runs/{many}",
        "/ui/nodes",
        "/ui/nodes/node-1",
        "/ui/schedule",
        "/ui/settings",
        "/ui/sign-in",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(site: Site, open_page: NewPage, axe: str, theme: Any) -> None:
    page = open_page("/ui/", color_scheme=theme, reduced_motion="reduce")
    found = []
    for path in paths(site):
        page.goto(path)
        page.evaluate(axe)
        report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            (path, one["id"], node["html"][:150], node["failureSummary"][:300])
            for one in report["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"][:3]
        ]
    assert not found, found


def test_nothing_is_cut_off_on_a_phone(site: Site, open_page: NewPage) -> None:
    page = open_page("/ui/", viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True)
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
    before = ink(page)
    assert before > 50, "the canvas is blank"
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


def test_a_time_is_chosen_on_the_strip_of_the_timeline(site: Site, open_page: NewPage) -> None:
    page = live(open_page("/ui/timeline?span=15m"))
    strip = page.locator("time-brush canvas")
    expect(strip).to_be_visible()
    wait_until(lambda: coloured(strip) > 2, description="the strip shows runs that went well")
    assert ink(page) > 20, "the canvas is blank"
    page.keyboard.press("t")
    wait_until(lambda: coloured(strip) > 2, description="and in the dark too")
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
    before = coloured(canvas)
    assert before > 40, "the canvas is blank"
    page.keyboard.press("t")
    page.wait_for_function("document.querySelectorAll('duration-chart canvas').length === 1")
    assert coloured(canvas) > 40
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
