"""What a target asks of a node in words: ``role == 'web' and load < 0.7``.

The text is read with Python's own parser and only what is listed here is let through; nothing is ever executed. A name
is one of ``FACTS`` or else a tag; ``tags.load`` and ``tags['a-b']`` are tags whatever they are called.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from dkronpy.errors import DkronpyError

FACTS = ("name", "address", "version", "python", "capacity", "running", "free", "load", "memory", "executors")
"""What a node reports of itself: ``free`` slots, ``load`` for each CPU and the share of ``memory`` in use."""
LONGEST = 1000
SAMPLE = "role == 'web' and load < 0.7"

_TOKENS = re.compile(r"""'[^']*'|"[^"]*"|[=!<>]=|(=)""")
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, several: item in several,
    ast.NotIn: lambda item, several: item not in several,
}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ORDERED = (str, (int, float))
"""What is more or less than its like; nothing else is."""
_MARKS = {ast.BitAnd: ("&", "and"), ast.BitOr: ("|", "or")}


class Described(Protocol):
    """What an expression asks of a node."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        ...

    def fact(self, name: str) -> Any:
        """What it reports under one of ``FACTS``."""
        ...


class ExpressionError(DkronpyError):
    """An expression that cannot be used; ``column`` counts from 0. The message shows the place."""

    def __init__(self, text: str, column: int, message: str, hint: str = "") -> None:
        # the place as people see it: on a line below, under the character that is meant
        super().__init__(f"{message} at column {column + 1}\n    {text}\n    {' ' * column}^", hint=hint)
        self.column = column


@lru_cache(maxsize=1024)
def read_expression(text: str) -> ast.expr:
    """The expression that *text* stands for. Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(text[:40] + "...", 40, f"it has {len(text)} characters; {LONGEST} are enough")
    if not text.isprintable():
        column = next(index for index, character in enumerate(text) if not character.isprintable())
        raise ExpressionError(text.replace("\n", " "), column, "one line of printable characters is needed")
    lone = next((match.start(1) for match in _TOKENS.finditer(text) if match[1]), None)
    if lone is not None:
        raise ExpressionError(text, lone, "= compares nothing", "equality is written ==")
    try:
        with warnings.catch_warnings():
            # "1and 2" is the writer's business; a line on standard error says neither which job nor which field
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = min(len(text), error.offset - 1) if error.offset else len(text)
        raise ExpressionError(text, column, "it cannot be read", f"as in {SAMPLE}") from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError(text[:40], 0, "it is nested too deeply") from None
    _check(tree, text)
    return tree


def _check(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand, text)
    elif isinstance(node, ast.Compare):
        for kind, part in zip(node.ops, node.comparators, strict=True):
            if type(kind) not in _COMPARE:
                raise _refused(part, text, "'is' compares nothing here", "equality is written ==, its opposite !=")
        for kind, *parts in zip(node.ops, (node.left, *node.comparators), node.comparators, strict=False):
            several = next((part for part in parts if isinstance(part, (ast.Tuple, ast.List))), None)
            if several is not None and isinstance(kind, _ORDERS):
                hint = "whether it is one of them is asked with in"
                raise _refused(several, text, "several values are neither more nor less than others", hint)
        for part in (node.left, *node.comparators):
            _check_value(part, text)
    else:
        _check_value(node, text)


def _check_value(node: ast.expr, text: str) -> None:
    if isinstance(node, (ast.Tuple, ast.List)):
        for item in node.elts:
            _check_value(item, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        if isinstance(node.operand.value, bool) or not isinstance(node.operand.value, (int, float)):
            raise _refused(node, text, "- stands before a number only")
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, (str, int, float, bool)):
            raise _refused(node, text, f"{node.value!r} is neither text nor a number")
    elif not isinstance(node, ast.Name) and _tag(node) is None:
        if isinstance(node, ast.BinOp) and type(node.op) in _MARKS:
            mark, word = _MARKS[type(node.op)]
            raise _refused(node.left, text, f"{mark} is not known here", f"write {word!r}")
        what = {ast.Call: "a call", ast.BinOp: "arithmetic", ast.Lambda: "a function", ast.Attribute: "an attribute"}
        said = what.get(type(node), "this")
        raise _refused(node, text, f"{said} is not allowed here", f"names, texts, numbers and comparisons: {SAMPLE}")


def _tag(node: ast.expr) -> str | None:
    """The tag that ``tags.name`` or ``tags['name']`` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tags":
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "tags":
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
    return None


def _refused(node: ast.expr, text: str, message: str, hint: str = "") -> ExpressionError:
    # the parser counts bytes
    column = len(text.encode()[: node.col_offset].decode("utf-8", "replace"))
    return ExpressionError(text, column, message, hint)


def satisfies(node: Described, text: str) -> bool:
    """Whether *node* is as *text* wants it. A tag that it does not have equals nothing and is neither more nor less."""
    return bool(_value(read_expression(text), node))


def _value(tree: ast.expr, node: Described) -> Any:
    if isinstance(tree, ast.BoolOp):
        parts = (bool(_value(part, node)) for part in tree.values)
        return all(parts) if isinstance(tree.op, ast.And) else any(parts)
    if isinstance(tree, ast.UnaryOp):
        value = _value(tree.operand, node)
        return not value if isinstance(tree.op, ast.Not) else -value
    if isinstance(tree, ast.Compare):
        left = _value(tree.left, node)
        for kind, part in zip(tree.ops, tree.comparators, strict=True):
            right = _value(part, node)
            if not _holds(kind, left, right):
                return False
            left = right
        return True
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, (ast.Tuple, ast.List)):
        return [_value(item, node) for item in tree.elts]
    name = tree.id if isinstance(tree, ast.Name) else None
    return node.fact(name) if name in FACTS else node.tags.get(name or _tag(tree) or "")


def _holds(kind: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(kind, (ast.In, ast.NotIn)):
        inside = left is not None and isinstance(right, (list, tuple, str)) and _is_in(left, right)
        return inside if isinstance(kind, ast.In) else not inside
    left, right = _alike(left, right), _alike(right, left)
    if isinstance(kind, _ORDERS) and not any(isinstance(left, one) and isinstance(right, one) for one in _ORDERED):
        return False
    return bool(_COMPARE[type(kind)](left, right))


def _is_in(item: Any, several: Any) -> bool:
    if isinstance(several, str):
        return str(item) in several
    return any(_alike(item, one) == _alike(one, item) for one in several)


def _alike(value: Any, other: Any) -> Any:
    """*value* as a number where the other is one: tags are text, and ``cores >= 8`` has to work."""
    if isinstance(value, str) and isinstance(other, (int, float)) and not isinstance(other, bool):
        try:
            return float(value)
        except ValueError:
            return value
    return value
