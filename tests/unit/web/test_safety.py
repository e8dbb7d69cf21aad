"""Nothing that a job, a node or an address says can become part of a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkronpy.client import Client
from dkronpy.node import Node
from dkronpy.web.ansi import Ansi, to_html
from tests.unit.web.conftest import Browser, save, shell

ATTACK = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'--"


class Tags(HTMLParser):
    """Collects what a browser would see as tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.found


def test_texts_of_jobs_and_nodes_are_texts(browser: Browser, client: Client) -> None:
    save(
        client,
        "xss",
        run=shell(ATTACK),
        doc=ATTACK,
        owner=ATTACK,
        display_name=ATTACK,
        metadata={"a": ATTACK},
        schedule="@every 1h",
    )
    run = client.run_job("xss").run
    node = Node(name="n1", tags={"x": ATTACK}, address=ATTACK, version=ATTACK, capacity=1, instance="i")
    assert client.deployment.nodes.report(node)[0]
    for path in (
        "/",
        "/jobs",
        "/jobs/xss",
        "/jobs/xss/edit",
        "/runs",
        f"/runs/{run.id}",
        "/nodes",
        "/nodes/n1",
        "/schedule",
    ):
        assert_harmless(browser.get(path))


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?q={}",
        "/jobs?sort={}",
        "/runs?job={}",
        "/runs?text={}",
        "/schedule?hour={}",
        "/?span={}&rows={}",
        "/?done={}",
        "/sign-in?next={}",
    ],
)
def test_addresses_are_texts(browser: Browser, client: Client, path: str) -> None:
    save(client, "backup")
    assert_harmless(browser.get(path.format(*[ATTACK.replace("#", "").replace("&", "")] * 2)))


def assert_harmless(html: str) -> None:
    for tag, attributes in tags(html):
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert "style" not in attributes, (tag, attributes)
        if tag == "script":
            assert str(attributes["src"]).startswith("/ui/static/")
        if tag == "img":
            assert str(attributes["src"]).startswith("/ui/static/")
        for name in ("href", "action", "src"):
            assert str(attributes.get(name) or "/").startswith(("/", "?", "#")), (tag, attributes)


def test_every_answer_forbids_strange_script(browser: Browser, client: Client) -> None:
    save(client, "backup")
    for path in ("/", "/jobs/backup", "/jobs/nope", "/sign-in"):
        headers = browser.client.get("/ui" + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_a_page_needs_few_and_small_files(browser: Browser) -> None:
    html = browser.get("/")
    files = set(re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', html))
    assert len(files) == 4
    size = 0
    for path in files:
        answer = browser.client.get(path, headers={"accept-encoding": "gzip"})
        assert "immutable" in answer.headers["cache-control"]
        size += int(answer.headers["content-length"])
    assert size < 40_000
    assert "there is no file" in browser.get("/static/0123456789ab/app.js", 404)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&#34;&#39;"),
        ("\x1b[31mred\x1b[0m plain", '<span class="c-red">red</span> plain'),
        ("\x1b[1;4;92mx\x1b[22my", '<span class="bold under c-green">x</span><span class="under c-green">y</span>'),
        ("\x1b[38;5;196mx\x1b[48;2;0;0;255my", '<span class="c-red">x</span><span class="c-red b-blue">y</span>'),
        ("\x1b]0;title\x07\x1b[2J\x1b[1;1Hx\x08\x00", "x"),
        ("\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("50%\r100%\r\ndone", "50%\n100%\ndone"),
        ("a\u202egnp.exe", "a\ufffdgnp.exe"),
        ("\x1b[31", ""),
    ],
)
def test_output_keeps_its_colours_and_nothing_else(text: str, html: str) -> None:
    assert to_html(text) == html


@given(st.lists(st.text(st.sampled_from("<>&\"'\x1b[];0138mKx\r\n\x07\\"), max_size=12)))
def test_output_in_pieces_is_output_as_a_whole(pieces: list[str]) -> None:
    ansi = Ansi()
    html = "".join(ansi.feed(piece) for piece in pieces) + ansi.end()
    assert plain(html) == plain(to_html("".join(pieces)))
    assert {tag for tag, _ in tags(html)} <= {"span"}
    assert "\x1b" not in html


def plain(html: str) -> str:
    return re.sub(r"</?span[^>]*>", "", html)


def test_a_word_in_an_address_is_not_what_a_page_says(browser: Browser) -> None:
    assert "pay me" not in browser.get("/?done=pay+me")
