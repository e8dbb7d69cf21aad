"""The rows of the timeline: lanes of what went on at the same time, chains, and nodes by their tags."""

from __future__ import annotations

import re

import pytest

from dkronpy.client import Client
from dkronpy.node import Node
from dkronpy.web.lanes import MOST, lanes_of
from dkronpy.web.nodes import grouped, tags_of
from tests.unit.web.conftest import Browser, Door, save, visible


@pytest.mark.parametrize(
    ("spans", "lanes"),
    [
        ([(0, 5), (5, 9)], [0, 0]),
        ([(0, 5), (4, 9), (6, 7)], [0, 1, 0]),
        ([(4, 9), (0, 5)], [1, 0]),
        ([(0, 0), (90, 95)], [0, 1]),  # the first goes on until now
        ([(0, 9)] * (MOST + 2), [*range(MOST), MOST - 1, MOST - 1]),
    ],
)
def test_a_lane_is_the_first_one_that_is_free(spans: list[tuple[int, int]], lanes: list[int]) -> None:
    assert lanes_of(spans, 100) == lanes


def test_a_chain_is_a_row_with_its_jobs_in_it(browser: Browser, client: Client, door: Door) -> None:
    save(client, "load")
    save(client, "build", schedule="", after=("load",))
    save(client, "mail", schedule="", after=("build",))
    save(client, "alone")
    assert "No chain of jobs ran in this time" in visible(browser.get("/timeline?rows=chains"))
    runs = [client.run_job(name).run.id for name in ("load", "build", "alone")]
    for path in ("/timeline?rows=chains&span=1h", "/?rows=chains"):
        drawn = re.search(r'data-timeline="([^"]*)"', browser.get(path))
        assert drawn
        assert "&#34;rows&#34;:[&#34;load +2&#34;,&#34;&#34;]" in drawn[1]  # both go on: two lanes
        assert [run in drawn[1] for run in runs] == [True, True, False]
    assert 'aria-current="true">by chain' in browser.get("/timeline?rows=chains")
    door.jobs = {"build", "mail"}
    hidden = re.search(r'data-timeline="([^"]*)"', browser.get("/timeline?rows=chains"))
    assert hidden
    assert "&#34;rows&#34;:[&#34;build +1&#34;]" in hidden[1]


def node(name: str, **tags: str) -> Node:
    return Node(name=name, instance="i", tags=tags, capacity=4)


def test_nodes_are_grouped_by_a_tag_that_several_share() -> None:
    nodes = [
        node("a", role="web", host="a"),
        node("b", role="db", host="b"),
        node("c", role="web", host="c"),
        node("d"),
    ]
    assert tags_of(nodes) == ["role"]
    assert tags_of(nodes[:1]) == []
    found = [(value, [one.name for one in its]) for value, its in grouped(nodes, "role")]
    assert found == [("db", ["b"]), ("web", ["a", "c"]), ("", ["d"])]
    assert [len(its) for _, its in grouped(nodes, "")] == [4]


def test_the_page_of_nodes_groups_them_on_request(browser: Browser, client: Client) -> None:
    for one in (node("a", role="web"), node("b", role="db"), node("c", role="web")):
        client.deployment.nodes.report(one)
    assert "without role" not in browser.get("/nodes?by=role")
    text = visible(browser.get("/nodes?by=role"))
    assert re.search(r"role=web \d of 2 up, 0 of \d slots busy", text), text
    assert "rowgroup" not in browser.get("/nodes?by=nonsense")
    client.deployment.nodes.report(node("d"))
    assert "without role" in visible(browser.get("/nodes?by=role"))
