"""Where the jobs of a chain stand: after their parents, apart from one another, with few crossings."""

from __future__ import annotations

import itertools
import random

from dkronpy.web.layers import TALL, Picture, arrange, components, longest_path


def crossings(picture: Picture) -> int:
    """How often the lines of a picture cross, between neighbouring corners."""
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for points in picture.lines.values():
        for (x, y), (to_x, to_y) in itertools.pairwise(points):
            steps.setdefault((x, to_x), []).append((y, to_y))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for found in steps.values()
        for one, other in itertools.combinations(found, 2)
    )


def test_a_job_stands_to_the_right_of_all_its_parents() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    picture = arrange("abcd", edges)
    x = {name: box[0] for name, box in picture.boxes.items()}
    assert all(x[parent] < x[child] for parent, child in edges)
    assert x["a"] == x["d"]
    assert set(picture.lines) == set(edges)
    assert picture.lines["a", "c"][0][0] > x["a"]
    assert picture.lines["a", "c"][-1] == picture.boxes["c"]


def test_boxes_and_lines_keep_apart_and_inside() -> None:
    rng = random.Random(3)
    names = [f"job-{number}" for number in range(40)]
    edges = [(names[rng.randrange(n)], names[n]) for n in range(1, 40) for _ in range(rng.randrange(3))]
    picture = arrange(names, edges)
    assert set(picture.boxes) == set(names)
    for (x, y), (other_x, other_y) in itertools.combinations(picture.boxes.values(), 2):
        assert x != other_x or abs(y - other_y) >= TALL
    for x, y in [*picture.boxes.values(), *itertools.chain.from_iterable(picture.lines.values())]:
        assert 0 <= x <= picture.width
        assert 0 <= y <= picture.height
    for (parent, child), points in picture.lines.items():  # a line that passes a layer hits no box there
        for (x, y), (to_x, to_y) in itertools.pairwise(points[1:-1]):
            hit = [name for name, box in picture.boxes.items() if box[0] == x and abs(box[1] - y) < TALL // 2]
            assert y != to_y or to_x - x < 100 or not hit, (parent, child, hit)


def test_lines_that_need_not_cross_do_not() -> None:
    assert crossings(arrange("abxyz", [("a", "z"), ("b", "x"), ("b", "y")])) == 0
    tree = [("r", "a"), ("r", "b"), ("a", "z"), ("a", "y"), ("b", "x"), ("b", "w")]
    assert crossings(arrange("rabwxyz", tree)) == 0


def test_a_circle_is_broken_and_everything_is_drawn() -> None:
    picture = arrange("abc", [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")])
    assert set(picture.boxes) == set("abc")
    assert set(picture.lines) == {("a", "b"), ("b", "c")}
    assert arrange([], []).boxes == {}


def test_names_that_hang_together_are_found() -> None:
    assert components("abcdef", [("a", "b"), ("c", "b"), ("e", "d"), ("a", "elsewhere")]) == [
        ["a", "b", "c"], ["d", "e"], ["f"],
    ]  # fmt: skip


def test_the_longest_way_is_by_time_and_not_by_steps() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "z"), ("slow", "z")]
    assert longest_path(edges, {"a": 1, "b": 1, "c": 1, "slow": 9, "z": 1}) == {("slow", "z")}
    assert longest_path(edges, {"a": 5, "b": 1, "c": 9, "slow": 9}) == {("a", "b"), ("b", "c"), ("c", "z")}
    assert longest_path([], {"a": 1}) == set()
