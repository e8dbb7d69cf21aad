"""The output of an attempt as HTML, piece by piece: colours, streams, when each line came, what was not kept."""

from __future__ import annotations

import codecs
from collections import defaultdict
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from dkronpy.clock import from_ms
from dkronpy.marks import MERGED, STDERR, STDOUT, Marks
from dkronpy.web.ansi import Ansi

_SPANS = {STDOUT: '<span class="out">', STDERR: '<span class="err" role="group" aria-label="stderr">'}


class LogHtml:
    """Turns bytes at offsets, from the offset on that the reader has seen, into HTML.

    A line begins with an ``i`` whose ``data-t`` is when it came, on the clock of *zone*: a page shows it or not, and
    neither finding nor copying meets it. A line of another day than the first bears its date.

    What only standard output had stands in a span ``out``, ends of lines and all, so that a page can leave it out; what
    only standard error had, in a span ``err``. Where the stream changes within a line, the line is ended.
    """

    def __init__(self, seen: int, zone: ZoneInfo) -> None:
        self.seen = seen
        self.stderr = False
        self._zone = zone
        self._texts: defaultdict[int, _Text] = defaultdict(_Text)
        self._stream = MERGED
        self._at_start = True
        self._day = ""

    def piece(self, offset: int, data: bytes, marks: Marks) -> str:
        """The HTML of a chunk; '' for what was seen already."""
        known = max(0, self.seen - offset)
        if skipped := data[:known]:
            self._at_start = skipped.endswith(b"\n")
            *_, last = marks.runs(offset, skipped)
            self._stream = last.stream
        data = data[known:]
        if not data:
            return ""
        html = ""
        if offset > self.seen:
            html = self._texts[MERGED].ansi.feed(f"\n[... {offset - self.seen:,} bytes left out ...]\n")
            self._at_start = True
        for stream, runs in groupby(marks.runs(max(self.seen, offset), data), attrgetter("stream")):
            html += self._turned_to(stream)
            text = self._texts[stream]
            html += self._spanned(stream, "".join([self._stamped(text.feed(run.data), run.ms) for run in runs]))
        self.seen = max(self.seen, offset) + len(data)
        return html

    def end(self) -> str:
        """The HTML of what is left when nothing more comes."""
        html = ""
        for stream, text in self._texts.items():
            if rest := text.end():
                html += self._turned_to(stream) + self._spanned(stream, rest)
        return html

    def _turned_to(self, stream: int) -> str:
        """The end of the line that another stream has left open."""
        before, self._stream = self._stream, stream
        if stream == before or self._at_start:
            return ""
        self._at_start = True
        return self._spanned(before, "\n")

    def _spanned(self, stream: int, html: str) -> str:
        self.stderr = self.stderr or (stream == STDERR and bool(html))
        span = _SPANS.get(stream) if html else None
        return f"{span}{html}</span>" if span else html

    def _stamped(self, html: str, ms: int) -> str:
        if not html or not ms:
            return html
        stamp = f'<i data-t="{self._clock(ms)}"></i>'
        first = stamp if self._at_start else ""
        close = "</span>" if html.endswith("\n</span>") else ""
        text = html.removesuffix(close) if close else html
        self._at_start = text.endswith("\n")
        last = "\n" if self._at_start else ""  # the line behind it has its own time
        return first + text.removesuffix(last).replace("\n", "\n" + stamp) + last + close

    def _clock(self, ms: int) -> str:
        moment = from_ms(ms).astimezone(self._zone)
        day = f"{moment.day} {moment:%b} "
        self._day = self._day or day
        return f"{'' if day == self._day else day}{moment:%H:%M:%S}"


class _Text:
    """What one stream has of its own: a character, an escape sequence that was begun, colours."""

    def __init__(self) -> None:
        self.ansi = Ansi()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        return self.ansi.feed(self._decoder.decode(data))

    def end(self) -> str:
        return self.ansi.feed(self._decoder.decode(b"", final=True)) + self.ansi.end()
