"""Fixtures: a real server with beat and agent, and Debian's Chromium that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from dkronpy import Param, Shell, all_nodes
from dkronpy.job import Job, Run
from tests.acceptance.fleet import Fleet
from tests.support import StoreServer, free_port, wait_until

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--no-first-run",
)
NewPage = Callable[..., Page]
SERIOUS = {"serious", "critical", "moderate"}
expect.set_options(timeout=30_000)  # a machine that does much else is slow, and not wrong


def shell(command: str) -> Run:
    """What a shell job runs."""
    return Run("shell", {"command": command, "shell": "true"})


JOBS = [
    Job(name="heartbeat", schedule="@every 15s", run=shell("echo beat"), doc="Says that it lives."),
    Job(name="by-hand", schedule="@manually", run=shell("echo done by hand")),
    Job(name="never", schedule="0 0 5 1 1 *", run=shell("true"), owner="ops"),
    Job(name="load", schedule="@manually", run=shell("echo no such table >&2; exit 1")),
    Job(name="report", after="load", run=shell("true")),
    Job(name="nightly", schedule="0 30 2 * * *", run=shell("true")),
    Job(name="nightly-too", schedule="0 30 2 * * *", run=shell("true")),
    Job(name="off", schedule="0 0 5 1 1 *", run=shell("true"), enabled=False),
    Job(name="second", after="first", run=shell("true")),
    Job(name="first", schedule="@manually", run=shell("true")),
    Job(name="third", after=("first", "second"), when="always", run=shell("true")),
    Job(name="broken", schedule="@manually", run=shell("echo oops >&2; exit 3")),
    Job(name="slow", schedule="@manually", run=shell("echo begun; exec sleep 60")),
    Job(
        name="export",
        schedule="@manually",
        run=Shell(("echo", "{{ params.days }}", "days of", "{{ params.customer }}")),
        params={
            "days": Param(type="integer", default=7, minimum=1, maximum=90, doc="How far it goes back."),
            "customer": Param(pattern="[a-z]+", doc="Whose data."),
            "mode": Param(default="full", choices=("full", "quick")),
        },
    ),
    Job(name="everywhere", schedule="@manually", run=shell("echo hello"), on=all_nodes()),
]


class Counting(NamedTuple):
    """A run that prints line after line; it goes on when ``go`` is touched."""

    run: str
    go: Path

    def go_on(self) -> None:
        """Let it print the rest."""
        self.go.touch()


class Site:
    """The deployment behind the pages."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.client = fleet, fleet.client
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = fleet.serve(self.port)

    def reset(self) -> None:
        """Take back what a test that failed may have left: pauses, a drained node, jobs of its own."""
        for pause in self.client.maintenance.pauses():
            self.client.maintenance.resume(id=pause.id)
        for node in self.client.nodes():
            if node.drained:
                self.client.undrain_node(node.name)
        ours = {job.name: job for job in JOBS}
        for view in self.client.jobs():
            if view.job.name not in ours:
                self.client.delete_job(view.job.name)
            elif view.job.enabled != ours[view.job.name].enabled:
                self.client.toggle_job(view.job.name)

    def restart(self, between: Callable[[], Any]) -> None:
        """Stop the server, do something, and start it again where it was."""
        self.server.kill()
        between()
        self.server = self.fleet.serve(self.port)


class ServedFleet(Fleet):
    """A fleet with a server for pages."""

    def serve(self, port: int, **environment: str) -> Any:
        """Start the server and wait until it listens."""
        server = self._start("server", "--port", str(port), **environment)
        server.wait_for("the API is at", timeout=60)
        return server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Store, beat, agent, server, and some jobs of which one ran well and one did not."""
    with StoreServer(kind="valkey") as store, ServedFleet(store, tmp_path_factory.mktemp("fleet")) as fleet:
        site = Site(fleet)
        fleet.beat()
        fleet.agent("node-1", role="web")
        for job in JOBS:
            site.client.save_job(job)
        fleet.run_now("broken")
        fleet.run_now("everywhere")
        yield site


@pytest.fixture
def empty_site(tmp_path: Path) -> Iterator[Site]:
    """A deployment that was just made: a store and a server, and nothing in them."""
    with StoreServer(kind="valkey") as store, ServedFleet(store, tmp_path) as fleet:
        yield Site(fleet)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = shutil.which("chromium")
    assert found, "no chromium on PATH; ./scripts/test installs it (Debian package chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def as_it_was(request: pytest.FixtureRequest) -> None:
    """Each test begins with the deployment that it expects, whatever one before it left when it failed."""
    if "site" in request.fixturenames:
        request.getfixturevalue("site").reset()


@pytest.fixture
def counts(site: Site, tmp_path: Path) -> Iterator[Counting]:
    """A job that prints three lines, and nine more once it is let go on."""
    go = tmp_path / "go"
    line = r"printf '\033[32mline\033[0m %s <script>alert(1)</script>\n' $n"
    wait = f"while [ ! -e {go} ]; do sleep 0.1; done"
    command = f"for n in 1 2 3; do {line}; done; {wait}; for n in $(seq 4 12); do {line}; sleep 0.05; done"
    site.client.save_job(Job(name="counts", schedule="@manually", run=shell(command)))
    yield Counting(running(site, "counts"), go)
    go.touch()


@pytest.fixture
def open_page(chromium: Browser, site: Site) -> Iterator[NewPage]:
    """Opens pages in a browser of its own; the test fails if one complains (*refused*: not of a 403, 404, 422)."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(page: Page, refused: bool) -> None:
        def console(message: ConsoleMessage) -> None:
            # A test that takes the server away is told so twice: by the browser, and by htmx of a request on its way.
            cut = "net::ERR_" in message.text or "TypeError: Failed to fetch" in message.text
            expected = cut or (refused and "with a status of 4" in message.text)
            if message.type in {"error", "warning"} and not expected:
                complaints.append(f"{page.url}: {message.text}")

        page.on("console", console)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))

    def make(path: str = "/ui/", *, refused: bool = False, **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Europe/Berlin", **options}
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        listen(page, refused)
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return (Path(__file__).parent / "axe.min.js").read_text()


def in_both_themes(page: Page, axe: str) -> list[tuple[str, str, str, str]]:
    """What axe finds on the page that is open, in light and in dark: theme, rule, element, what is wrong.

    The dark page differs in its colours only: there the rules about these are asked for.
    """
    page.evaluate(axe)
    found = []
    for theme, only in (("light", None), ("dark", ["color-contrast", "link-in-text-block"])):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        options = {"resultTypes": ["violations"], **({"runOnly": {"type": "rule", "values": only}} if only else {})}
        report = page.evaluate("(options) => axe.run(document, options)", options)
        found += [
            (theme, one["id"], node["html"][:150], node["failureSummary"][:300])
            for one in report["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"][:3]
        ]
    return found


def live(page: Page) -> Page:
    """Wait until the page follows what happens, and is what it is to be in the zone of its browser."""
    page.wait_for_selector('#live[data-state="on"]')
    expect(page.locator("body[data-zone-unknown], #output[aria-busy]")).to_have_count(0)
    return page


def running(site: Site, job: str) -> str:
    """Start a job and wait until it runs; the id of the run."""
    run = site.client.run_job(job).run.id
    site.fleet.started(run)
    return run


def ended(site: Site, run: str) -> str:
    """Wait for the end of a run; its state."""
    return wait_until(lambda: (found := site.client.run(run).run).terminal and found.state, description=f"{run} ends")
