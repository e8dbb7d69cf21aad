"""Flower as this deployment shows it: behind the same tokens, with links from its tasks and workers to our pages."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dkronpy.api.peer import NOWHERE, Ends, inode_of, is_forwarded
from dkronpy.web.places import BASE

if TYPE_CHECKING:
    from dkronpy.cli.flower_door import FlowerDoor, Verdict

_MARK = b"</header>"
"""After the first of these in Flower's pages of one task and of one worker our link stands."""

_SIGN_IN = """<!doctype html><html lang="en"><title>Sign in</title><meta name="viewport" content="width=device-width">
<h1>Sign in first</h1><p><a href="{link}">Sign in to dkronpy</a>, then come back and reload this page;
or <a href="?token">use a token</a>.</p>
"""
"""What a browser is told first where people sign in with a provider and have no password."""


def flower_class(flower: Any, door: FlowerDoor | None, pages: str) -> Any:
    """The application's class. *door* is None where Flower's own login stands guard; *pages* is where ours are."""
    web: Any = import_module("tornado.web")
    _let_in(import_module("flower.api").BaseApiHandler)
    refused = _refused(web.RequestHandler, pages, provided=door is not None and door.provided)
    task = _linked(import_module("flower.views.tasks").TaskView, pages, run_link)
    worker = _linked(import_module("flower.views.workers").WorkerView, pages, node_link)

    class OurFlower(flower.Flower):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            prefix = "/" + self.options.url_prefix.strip("/") if self.options.url_prefix else ""
            ours: list[Any] = [(rf"{prefix}/task/(.+)", task), (rf"{prefix}/worker/(.+)", worker)]
            if prefix:
                ours.append((r"/", web.RedirectHandler, {"url": prefix + "/", "permanent": False}))
            self.add_handlers(r".*", ours)

        def find_handler(self, request: Any, **kwargs: Any) -> Any:
            """Flower's own way, unless whoever asks may not."""
            address = request.remote_ip or ""
            verdict = None
            if door:
                verdict = door.judge(request.method, request.path, request.headers, address, _ends_of(request))
            request.signed_in = verdict is not None and verdict.signed_in
            if verdict is not None and not verdict.good:
                return self.get_handler_delegate(request, refused, {"verdict": verdict})
            return super().find_handler(request, **kwargs)

    return OurFlower


def _ends_of(request: Any) -> Ends:
    connected = request.connection.stream.socket
    if connected is None or is_forwarded(request.headers):
        return NOWHERE
    try:
        return Ends(connected.getpeername()[:2], connected.getsockname()[:2], inode_of(connected))
    except OSError:  # whoever asked is gone
        return NOWHERE


def _refused(handler: Any, pages: str, *, provided: bool) -> Any:
    class Refused(handler):  # type: ignore[misc]
        """Says why not."""

        def initialize(self, verdict: Verdict) -> None:
            self.verdict = verdict

        def prepare(self) -> None:
            self.set_status(self.verdict.status)
            self.set_header("Cache-Control", "no-store")
            asked = self.request.headers
            people = provided and "text/html" in asked.get("Accept", "") and "Authorization" not in asked
            if self.verdict.status == 401 and people and self.request.query != "token":
                self.set_header("Content-Type", "text/html; charset=utf-8")
                self.finish(_SIGN_IN.format(link=escape(f"{pages}{BASE}/sign-in")))
                return
            if self.verdict.status == 401:
                self.set_header("WWW-Authenticate", 'Basic realm="dkronpy", charset="UTF-8"')
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(self.verdict.text + "\n")

        def check_xsrf_cookie(self) -> None:
            """Nothing is done here."""

    return Refused


def _let_in(api: Any) -> None:
    """Flower's API asks for a login of Flower's: whoever signed in at our door has passed one."""
    flowers_own = api.prepare

    def prepare(handler: Any) -> None:
        if not handler.request.signed_in:
            flowers_own(handler)

    api.prepare = prepare


def _linked(view: Any, pages: str, link_of: Callable[[str, str], tuple[str, str]]) -> Any:
    class Linked(view):  # type: ignore[misc]
        """A page of Flower's, with the way to ours."""

        def finish(self, chunk: Any = None) -> Any:
            link, text = link_of(pages, self.path_args[0])
            page = chunk.encode() if isinstance(chunk, str) else chunk
            if link and isinstance(page, bytes):
                ours = f'<p><a id="dkronpy" href="{escape(link)}">{escape(text)}</a></p>'.encode()
                page = page.replace(_MARK, _MARK + ours, 1)
            return super().finish(page)

    return Linked


def run_link(pages: str, task: str) -> tuple[str, str]:
    """Where our pages show the run of a task, and what the link says; a task of somebody else has none."""
    run, dot, index = task.rpartition(".")
    if not dot or "@" not in run or not index.isdecimal():
        return "", ""
    return f"{pages}{BASE}/runs/{quote(run, safe='@:')}?execution={index}", "Its run in dkronpy: output, attempts, why"


def node_link(pages: str, worker: str) -> tuple[str, str]:
    """Where our pages show the node of a worker."""
    node = worker.partition("@")[0]
    return f"{pages}{BASE}/nodes/{quote(node, safe='')}", "This node in dkronpy: tags, load, what ran"
