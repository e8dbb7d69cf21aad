"""The output of an attempt as HTML, piece by piece: colours, the time of each line, and what was not kept."""

from __future__ import annotations

import codecs
from zoneinfo import ZoneInfo

from dkronpy.clock import from_ms
from dkronpy.marks import Marks
from dkronpy.web.ansi import Ansi


class LogHtml:
    """Turns bytes at offsets, from the offset on that the reader has seen, into HTML.

    A line begins with an ``i`` whose ``data-t`` is when it came, on the clock of *zone*: a page shows it or not, and
    neither finding nor copying meets it. A line of another day than the first bears its date.
    """

    def __init__(self, seen: int, zone: ZoneInfo) -> None:
        self.seen = seen
        self._zone = zone
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ansi = Ansi()
        self._at_start = True
        self._day = ""

    def piece(self, offset: int, data: bytes, marks: Marks) -> str:
        """The HTML of a chunk; '' for what was seen already."""
        known = max(0, self.seen - offset)
        if skipped := data[:known]:
            self._at_start = skipped.endswith(b"\n")
        data = data[known:]
        if not data:
            return ""
        html = ""
        if offset > self.seen:
            html = self._ansi.feed(f"\n[... {offset - self.seen:,} bytes left out ...]\n")
            self._at_start = True
        for run in marks.runs(max(self.seen, offset), data):
            html += self._stamped(self._ansi.feed(self._decoder.decode(run.data)), run.ms)
        self.seen = max(self.seen, offset) + len(data)
        return html

    def end(self) -> str:
        """The HTML of what is left when nothing more comes."""
        return self._ansi.feed(self._decoder.decode(b"", final=True)) + self._ansi.end()

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
