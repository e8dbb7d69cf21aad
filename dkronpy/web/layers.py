"""Where the jobs of a chain stand in a picture: layers from left to right, ordered so that few lines cross."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

WIDE, TALL = 186, 46
"""The box of a job, in pixels."""
_GAP_X, _GAP_Y, _LANE, _EDGE = 58, 16, 18, 6
_SWEEPS = 6

Edge = tuple[str, str]
"""A parent and a job that follows it."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything stands: the middle of each box's left side, and the corners that each line passes."""

    width: int
    height: int
    boxes: Mapping[str, tuple[int, int]]
    lines: Mapping[Edge, tuple[tuple[int, int], ...]]


def arrange(names: Iterable[str], edges: Iterable[Edge]) -> Picture:
    """Places every name; a line that would close a circle is left out."""
    known = sorted(set(names))
    kept = _without_circles(known, sorted({edge for edge in edges if edge[0] in known and edge[1] in known}))
    layer = _layers(known, kept)
    paths = {edge: _path(edge, layer) for edge in kept}
    rows = _rows(layer, paths)
    links = _links(paths)
    _sort(rows, links)
    heights = _heights(rows, links)
    return _picture(layer, paths, heights)


def components(names: Iterable[str], edges: Iterable[Edge]) -> list[list[str]]:
    """The names in groups that hang together, the largest first, each in order."""
    root = {name: name for name in names}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = name = root[root[name]]
        return name

    for parent, child in edges:
        if parent in root and child in root:
            root[find(parent)] = find(child)
    groups: dict[str, list[str]] = {}
    for name in sorted(root):
        groups.setdefault(find(name), []).append(name)
    return sorted(groups.values(), key=lambda group: (-len(group), group))


def longest_path(lines: Iterable[Edge], weight: Mapping[str, float]) -> set[Edge]:
    """Of lines that close no circle those of the way that takes longest, by what each name takes."""
    known = sorted(lines)
    layer = _layers(sorted({name for edge in known for name in edge}), known)
    best = {name: weight.get(name, 0.0) for name in layer}
    before: dict[str, str] = {}
    for parent, child in sorted(known, key=lambda edge: layer[edge[1]]):
        reached = best[parent] + weight.get(child, 0.0)
        if child not in before or reached > best[child]:
            best[child], before[child] = reached, parent
    at: str = max(before, key=lambda name: (best[name], name), default="")
    found = set()
    while at in before:
        found.add((before[at], at))
        at = before[at]
    return found


def _without_circles(names: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The lines, without those that lead back to where they came from."""
    children: dict[str, list[str]] = {}
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
    kept: list[Edge] = []
    state: dict[str, int] = {}
    for start in names:
        stack = [(start, iter(children.get(start, ())))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[name] = 2
                stack.pop()
            elif state.get(following) != 1:
                kept.append((name, following))
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(children.get(following, ()))))
    return kept


def _layers(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Each name one layer to the right of the last of its parents."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for parent, child in edges:
            if layer[child] <= layer[parent]:
                layer[child], moved = layer[parent] + 1, True
        if not moved:
            break
    return layer


def _path(edge: Edge, layer: Mapping[str, int]) -> tuple[str, ...]:
    """What a line passes: its ends, and a place of its own in each layer between."""
    parent, child = edge
    between = range(layer[parent] + 1, layer[child])
    return (parent, *(f"{parent}\0{child}\0{number}" for number in between), child)


def _rows(layer: Mapping[str, int], paths: Mapping[Edge, tuple[str, ...]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name, number in layer.items():
        rows[number].append(name)
    for (parent, _), path in paths.items():
        for step, place in enumerate(path[1:-1], 1):
            rows[layer[parent] + step].append(place)
    return rows


def _links(paths: Mapping[Edge, tuple[str, ...]]) -> dict[str, tuple[list[str], list[str]]]:
    """For each place its neighbours in the layer before, and in the one after."""
    links: dict[str, tuple[list[str], list[str]]] = {}
    for path in paths.values():
        for left, right in pairwise(path):
            links.setdefault(left, ([], []))[1].append(right)
            links.setdefault(right, ([], []))[0].append(left)
    return links


def _sort(rows: list[list[str]], links: Mapping[str, tuple[list[str], list[str]]]) -> None:
    """Sweeps to and fro; each place goes to the middle of its neighbours."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for number in range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1):
            fixed = {name: index for index, name in enumerate(rows[number + (-1 if forward else 1)])}
            where = {name: index for index, name in enumerate(rows[number])}

            def middle(name: str, fixed: dict[str, int] = fixed, where: dict[str, int] = where) -> tuple[float, int]:
                near = [fixed[one] for one in links.get(name, ((), ()))[0 if forward else 1]]  # noqa: B023
                return (sum(near) / len(near) if near else where[name], where[name])

            rows[number].sort(key=middle)


def _heights(rows: Sequence[Sequence[str]], links: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, float]:
    """The middle of each place, pulled towards its neighbours without changing the order of a layer."""
    heights: dict[str, float] = {}
    for row in rows:
        top = 0.0
        for name in row:
            heights[name] = top + _size(name) / 2
            top += _size(name) + _GAP_Y
    for sweep in range(2 * _SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_wanted(name, heights, links) for name in row]
            _settle(row, wanted, heights)
    lowest = min((heights[name] - _size(name) / 2 for name in heights), default=0.0)
    return {name: height - lowest for name, height in heights.items()}


def _wanted(name: str, heights: Mapping[str, float], links: Mapping[str, tuple[list[str], list[str]]]) -> float:
    before, after = links.get(name, ([], []))
    near = [heights[one] for one in (*before, *after)]
    return sum(near) / len(near) if near else heights[name]


def _settle(row: Sequence[str], wanted: Sequence[float], heights: dict[str, float]) -> None:
    """As near to what is wanted as the order and the gaps allow: neighbours that collide move as one."""
    blocks: list[list[float]] = []  # the sum of wanted tops, how many, the room that they take
    for name, want in zip(row, wanted, strict=True):
        top = want - _size(name) / 2
        blocks.append([top, 1, _size(name) + _GAP_Y])
        while len(blocks) > 1 and _top(blocks[-2]) + blocks[-2][2] > _top(blocks[-1]):
            last = blocks.pop()
            blocks[-1][0] += last[0] - last[1] * blocks[-1][2]
            blocks[-1][1] += last[1]
            blocks[-1][2] += last[2]
    index = 0
    for block in blocks:
        top = _top(block)
        for _ in range(round(block[1])):
            heights[row[index]] = top + _size(row[index]) / 2
            top += _size(row[index]) + _GAP_Y
            index += 1


def _top(block: Sequence[float]) -> float:
    return block[0] / block[1]


def _size(name: str) -> int:
    return _LANE if "\0" in name else TALL


def _picture(layer: Mapping[str, int], paths: Mapping[Edge, tuple[str, ...]], heights: Mapping[str, float]) -> Picture:
    def left(number: int) -> int:
        return _EDGE + number * (WIDE + _GAP_X)

    boxes = {name: (left(number), round(heights[name]) + _EDGE) for name, number in layer.items()}
    lines = {}
    for (parent, child), path in paths.items():
        points = [(left(layer[parent]) + WIDE, boxes[parent][1])]
        for step, place in enumerate(path[1:-1], 1):
            x, y = left(layer[parent] + step), round(heights[place]) + _EDGE
            points += [(x, y), (x + WIDE, y)]
        lines[parent, child] = (*points, (left(layer[child]), boxes[child][1]))
    bottom = max((heights[name] + _size(name) / 2 for name in heights), default=0)
    return Picture(
        width=left(max(layer.values(), default=0)) + WIDE + _EDGE, height=round(bottom) + 2 * _EDGE, boxes=boxes,
        lines=lines,
    )  # fmt: skip
