"""Dkron's own page runs elsewhere: what it does, in a real browser, on /dkron.js and on the API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Site
from tests.support import free_port

PAGE = """<!doctype html><title>jobs</title>
<script crossorigin src="SERVER/dkron.js"></script>
<h1></h1><p id="total"></p><ul></ul><p id="ran"></p>
<script>
const show = (place, text) => { document.querySelector(place).textContent = text; };
const values = Object.keys(window).filter((name) => name.startsWith("DKRON_"));
show("h1", values.length);
show("#total", `${window.DKRON_TOTAL_JOBS} of ${window.DKRON_LEADER}`);
const ask = (path, options) => fetch((window.DKRON_API_URL || "SERVER/v1") + path, options);
(async () => {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  const answer = await ask("/jobs?_end=10&_order=ASC&_sort=id&_start=0", { headers });
  for (const job of await answer.json()) {
    document.querySelector("ul").append(Object.assign(document.createElement("li"), { textContent: job.id }));
  }
  document.querySelector("#total").dataset.counted = answer.headers.get("X-Total-Count");
  show("#ran", (await ask("/jobs/by-hand", { method: "POST", headers })).status);
})().catch((error) => show("#ran", error));
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another web server: its origin, and the folder that it serves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", tmp_path
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_from_another_origin_takes_its_values_lists_jobs_and_starts_one(
    site: Site, chromium: Browser, elsewhere: tuple[str, Path]
) -> None:
    origin, folder = elsewhere
    port = free_port()
    server = site.fleet.serve(port, DKRONPY_HTTP_ORIGINS=origin)
    (folder / "named.html").write_text(PAGE.replace("SERVER", f"http://127.0.0.1:{port}"))
    (folder / "strange.html").write_text(PAGE.replace("SERVER", site.url))  # that server names no origin
    context = chromium.new_context(base_url=origin)
    page = context.new_page()
    before = len(site.client.runs(job="by-hand"))
    page.goto("/named.html")
    expect(page.locator("h1")).to_have_text("7")
    expect(page.locator("#ran")).to_have_text("200")
    jobs = sorted(view.job.name for view in site.client.jobs())
    assert page.locator("li").all_inner_texts() == jobs[:10]
    assert page.locator("#total").get_attribute("data-counted") == str(len(jobs))
    assert page.locator("#total").inner_text().startswith(f"{len(jobs)} of ")
    assert len(site.client.runs(job="by-hand")) == before + 1
    page.goto("/strange.html")
    expect(page.locator("h1")).to_have_text("0")
    expect(page.locator("#ran")).to_contain_text("Failed to fetch")
    assert page.locator("li").count() == 0
    assert len(site.client.runs(job="by-hand")) == before + 1
    context.close()
    server.kill()
