"""Which nodes a target means, in Dkron's words and in ours, and which of them a strategy takes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dkronpy.dispatch.courier import NoCourier
from dkronpy.dispatch.strategies import Chooser, sticky
from dkronpy.dispatch.targets import LiveNodes, Planner
from dkronpy.job import Job, Run
from dkronpy.node import Node, Target, all_nodes, any_node, on_node
from dkronpy.node_expression import ExpressionError, read_expression, satisfies

NODES = [
    Node(name="db1", tags={"role": "db", "cores": "16"}, capacity=4, running=3, load=0.9, memory=0.5),
    Node(name="web1", tags={"role": "web", "zone": "a"}, capacity=4, running=2, load=0.2, executors=("shell", "http")),
    Node(name="web2", tags={"role": "web", "zone": "b"}, capacity=4, running=0, load=0.8),
    Node(name="web3", tags={"role": "web", "zone": "b"}, alive=False),
]


def names(target: Target) -> list[str]:
    return [node.name for node in target.matching(NODES)]


def a_job(target: Target, name: str = "sample") -> Job:
    return Job(name=name, run=Run("shell"), schedule="@manually", on=target)


def problem(target: Target) -> str:
    (found,) = a_job(target).check()
    assert found.field == "on"
    return str(found)


@pytest.mark.parametrize(
    ("target", "matching"),
    [
        (all_nodes(), ["db1", "web1", "web2"]),
        (all_nodes(role="web", exclude=["web1"]), ["web2"]),
        (any_node(nodes=["web1", "web3"]), ["web1"]),
        (any_node(where="role == 'web' and load < 0.7"), ["web1"]),
        (any_node(where="zone in ('b', 'c')"), ["web2"]),
        (any_node(where="not role == 'web'"), ["db1"]),
        (any_node(where="tags.cores >= 8"), ["db1"]),
        (any_node(where="tags['zone'] != 'a'"), ["db1", "web2"]),
        (any_node(where="free > 1 or memory > 0.4"), ["db1", "web1", "web2"]),
        (any_node(where="'http' in executors"), ["web1"]),
        (any_node(where="'http' not in executors"), ["db1", "web2"]),
        (any_node(where="0.1 < load <= 0.8"), ["web1", "web2"]),
        (any_node(where="zone > 'a'"), ["web2"]),
        (any_node(where="name == 'db1' and running == 3"), ["db1"]),
        (any_node(where="load > -1 and role"), ["db1", "web1", "web2"]),
        (any_node(where="role < 3"), []),
    ],
)
def test_a_target_names_nodes(target: Target, matching: list[str]) -> None:
    assert a_job(target).check() == []
    assert names(target) == matching


@pytest.mark.parametrize(
    ("where", "column", "said"),
    [
        ("role = 'web'", 6, "equality is written =="),
        ("role == 'web' and", 18, "it cannot be read"),
        ("load < 0.7 & free > 1", 8, "& is not known here"),
        ("role is 'web'", 9, "equality is written =="),
        ("load < 1 and role is not 'web'", 26, "'is' compares nothing here"),
        ("load * 2 < 1", 1, "arithmetic is not allowed here"),
        ("role == open('/etc/passwd')", 9, "a call is not allowed here"),
        ("zone == 'ä' or role.upper == 'X'", 16, "an attribute is not allowed here"),
        ("role == None", 9, "None is neither text nor a number"),
        ("tags[zone] == 'a'", 1, "this is not allowed here"),
        ("(lambda: 1)", 2, "a function is not allowed here"),
        ("role ==\n'web'", 8, "one line of printable characters"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_a_caret(where: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        read_expression(where)
    assert f"at column {column}\n" in str(raised.value)
    caret = str(raised.value).splitlines()[-1]
    assert caret == " " * (4 + column - 1) + "^"
    assert said in f"{raised.value} {raised.value.hint}"
    assert problem(any_node(where=where)).startswith("on: where: ")


@pytest.mark.parametrize("text", ["(" * 900, "not " * 240 + "x", "x" * 1001, "a" + " and a" * 160])
def test_an_expression_of_any_size_ends_in_an_answer(text: str) -> None:
    try:
        answer: object = satisfies(NODES[0], text)
    except ExpressionError as error:
        answer = error
    assert isinstance(answer, bool) or "column" in str(answer)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (on_node(""), "nodes: '' is not the name of a node"),
        (Target(nodes=("a",), exclude=("a",)), "exclude names every node of 'nodes'"),
        (any_node(strategy="lest_busy"), "did you mean 'least_busy'?"),  # type: ignore[arg-type]
        (all_nodes(rolling=0), "rolling 0 is not a number of nodes"),
        (all_nodes(rolling=1, make_up=True), "give one of them"),
        (Target(count=1, rolling=2), "rolling is for a job that runs on every matching node"),
        (Target(count=1, make_up=True), "make_up is for a job that runs on every matching node"),
        (any_node(where=5), "where: 5 is not text"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_named(target: Target, said: str) -> None:
    assert said in problem(target)


def choose(target: Target, times: int, *, job: str = "sample", nodes: list[Node] = NODES) -> Counter[str]:
    chooser = Chooser(random.Random(7))
    return Counter(name for _ in range(times) for name in LiveNodes(nodes).choose(a_job(target, job), chooser))


def test_random_draws_every_node_about_as_often() -> None:
    drawn = choose(any_node(), 600)
    assert set(drawn) == {"db1", "web1", "web2"}
    assert min(drawn.values()) > 150
    two = choose(any_node(2), 10)
    assert sum(two.values()) == 20


def test_least_busy_fills_what_is_empty_and_counts_what_it_has_just_given() -> None:
    assert choose(any_node(strategy="least_busy"), 1) == {"web2": 1}
    # web2 has four free slots, web1 two, db1 one: seven runs between two heartbeats fill them all
    assert choose(any_node(strategy="least_busy"), 7) == {"web2": 4, "web1": 2, "db1": 1}


def test_a_node_that_has_reported_again_is_believed() -> None:
    chooser = Chooser(random.Random(7))
    idle = [Node(name="a", capacity=4, running=0, seen_ms=1), Node(name="b", capacity=4, running=1, seen_ms=1)]
    first = [chooser.choose("x", "least_busy", idle, 1)[0] for _ in range(3)]
    assert sorted(first[:2]) != ["b", "b"]
    later = [Node(name="a", capacity=4, running=0, seen_ms=2), Node(name="b", capacity=4, running=1, seen_ms=2)]
    assert chooser.choose("x", "least_busy", later, 1) == ["a"]


def test_sticky_stays_and_only_the_jobs_of_a_node_that_goes_move() -> None:
    nodes = [Node(name=f"n{number}") for number in range(10)]
    before = {f"job-{n}": sticky(f"job-{n}", [node.name for node in nodes])[0] for n in range(200)}
    after = {job: sticky(job, [node.name for node in nodes if node.name != "n3"])[0] for job in before}
    moved = {job for job in before if before[job] != after[job]}
    assert moved == {job for job, node in before.items() if node == "n3"}
    assert len(set(before.values())) == 10
    assert choose(any_node(strategy="sticky"), 20).most_common(1)[0][1] == 20


def test_spread_takes_turns() -> None:
    assert choose(any_node(strategy="spread"), 9) == {"db1": 3, "web1": 3, "web2": 3}
    assert choose(any_node(2, strategy="spread"), 3) == {"db1": 2, "web1": 2, "web2": 2}


def planned(target: Target) -> list[tuple[str, str]]:
    job = a_job(target)
    plan = Planner(NoCourier(), random.Random(1), fired_by="test").run(
        job, job.parsed_schedule(), 1_000, 1_000, LiveNodes(NODES)
    )
    return [(one.node, one.waiting) for one in plan.executions] or [(plan.reason, plan.message)]


def test_a_node_that_is_named_has_its_share_also_while_it_is_down() -> None:
    assert planned(on_node("web1", "web3", "web9")) == [("web1", ""), ("web3", ""), ("web9", "")]


def test_a_run_that_is_made_up_for_is_kept_for_nodes_that_are_down() -> None:
    assert planned(all_nodes(role="web", make_up=True)) == [("web1", ""), ("web2", ""), ("web3", "")]
    assert planned(all_nodes(role="web")) == [("web1", ""), ("web2", "")]


def test_a_run_that_nobody_can_take_says_what_it_waits_for() -> None:
    assert planned(any_node(role="gpu", exclude=["db1"], where="load < 0.5")) == [
        ("", "no live node matches its targets: role=gpu and not db1 and load < 0.5")
    ]
    assert planned(all_nodes(role="gpu")) == [("", "no live node matches its targets: role=gpu")]
