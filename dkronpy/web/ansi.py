"""Output of programs as HTML: everything is escaped, and of a terminal's language only colours and weight remain."""

from __future__ import annotations

import re

from markupsafe import escape

_ESCAPE = re.compile(
    r"\x1b(?:\[(?P<codes>[0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
_OPEN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,500}\x1b?|[PX^_][^\x1b]{0,500}\x1b?|[ -/]*)?\Z")
"""A sequence that the end of a piece of output has cut off."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "under", 7: "inverse", 9: "strike"}
_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("under",), 27: ("inverse",), 29: ("strike",)}


class Ansi:
    """Turns text into HTML piece by piece; colours that one piece sets go on in the next."""

    def __init__(self) -> None:
        self._rest = ""
        self._styles: set[str] = set()
        self._front = self._back = ""

    def feed(self, text: str) -> str:
        """The HTML of the next piece."""
        text = self._rest + text
        cut = _OPEN.search(text)
        self._rest = text[cut.start() :] if cut else ""
        if text.endswith("\r") and not cut:  # it may be half of a line's end
            self._rest, cut = "\r", re.search(r"\r\Z", text)
        text = text[: cut.start()] if cut else text
        found, position = [], 0
        for sequence in _ESCAPE.finditer(text):
            found.append(self._span(text[position : sequence.start()]))
            position = sequence.end()
            if sequence["codes"] is not None:
                self._set(sequence["codes"])
        found.append(self._span(text[position:]))
        return "".join(found)

    def end(self) -> str:
        """The HTML of what is left when nothing more comes."""
        rest, self._rest = self._rest, ""
        return "" if rest.startswith("\x1b") else self._span(rest)

    def _span(self, text: str) -> str:
        text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
        text = _BIDI.sub("\ufffd", text)
        if not text:
            return ""
        classes = " ".join(sorted(self._styles) + [part for part in (self._front, self._back) if part])
        safe = str(escape(text))
        return f'<span class="{classes}">{safe}</span>' if classes else safe

    def _set(self, codes: str) -> None:
        numbers = [int(part) if part and len(part) < 6 else 0 for part in re.split("[;:]", codes)] or [0]
        index = 0
        while index < len(numbers):
            number = numbers[index]
            if number in (38, 48):
                index += self._extended(number, numbers[index + 1 :])
            else:
                self._one(number)
            index += 1

    def _one(self, number: int) -> None:
        if number == 0:
            self._styles.clear()
            self._front = self._back = ""
        elif number in _STYLES:
            self._styles.add(_STYLES[number])
        elif number in _ENDS:
            self._styles.difference_update(_ENDS[number])
        elif 30 <= number <= 37 or 90 <= number <= 97:
            self._front = f"c-{_COLOURS[number % 10]}"
        elif 40 <= number <= 47 or 100 <= number <= 107:
            self._back = f"b-{_COLOURS[number % 10]}"
        elif number == 39:
            self._front = ""
        elif number == 49:
            self._back = ""

    def _extended(self, number: int, rest: list[int]) -> int:
        """One of 256 or of all colours becomes the nearest of eight; returns how many codes that took."""
        if rest[:1] == [5] and len(rest) > 1:
            name, used = _of_256(rest[1]), 2
        elif rest[:1] == [2] and len(rest) > 3:
            name, used = _nearest(*rest[1:4]), 4
        else:
            return len(rest)
        if number == 38:
            self._front = f"c-{name}"
        else:
            self._back = f"b-{name}"
        return used


def _of_256(code: int) -> str:
    if code < 16:
        return _COLOURS[code % 8]
    if code < 232:
        code -= 16
        return _nearest(code // 36 * 51, code // 6 % 6 * 51, code % 6 * 51)
    return _COLOURS[7] if code > 243 else _COLOURS[0]


def _nearest(red: int, green: int, blue: int) -> str:
    middle = max(red, green, blue) * 0.6
    return _COLOURS[(red > middle) + 2 * (green > middle) + 4 * (blue > middle)]


def plain(text: str) -> str:
    """A text without what is meant for terminals."""
    return _BIDI.sub("\ufffd", _CONTROL.sub("", _ESCAPE.sub("", text)))


def to_html(text: str) -> str:
    """The HTML of a whole text."""
    ansi = Ansi()
    return ansi.feed(text) + ansi.end()
