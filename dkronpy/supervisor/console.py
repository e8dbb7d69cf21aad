"""What `up` prints: results on standard output, talk and the prefixed lines of every role on standard error."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TextIO

from dkronpy.clock import Clock, iso_ms

_RESET, _BOLD, _RED, _GREEN, _YELLOW = "\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
_ROLE_COLOURS = {"store": "\x1b[35m", "beat": "\x1b[36m", "agent": "\x1b[34m", "server": _YELLOW, "up": _BOLD}
_STATE_COLOURS = {"success": _GREEN, "failed": _RED, "lost": _RED, "skipped": _YELLOW}
_WIDTH = max(map(len, _ROLE_COLOURS))


class Console:
    """Whole lines from many threads onto two streams. Colour only where people look, and never with ``NO_COLOR``.

    With *json_lines* every line on standard error is a JSON object: a role's own as it is, any other made into one.
    """

    def __init__(
        self, out: TextIO, err: TextIO, environ: Mapping[str, str], *, clock: Clock, json_lines: bool = False
    ) -> None:
        self._out, self._err = out, err
        self._clock, self._json_lines = clock, json_lines
        plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        forced = bool(environ.get("DKRONPY_FORCE_TTY"))
        self._colour_out = not plain and (forced or out.isatty())
        self._colour_err = not plain and (forced or err.isatty())
        self._lock = threading.Lock()

    def log(self, role: str, line: str) -> None:
        """One line of a role, with its name before it."""
        if self._json_lines:
            self._write(self._err, line if line.startswith("{") else self._object(role, line))
            return
        prefix = f"{role:<{_WIDTH}} |"
        if self._colour_err:
            prefix = _ROLE_COLOURS.get(role, "") + prefix + _RESET
        self._write(self._err, f"{prefix} {line}")

    def say(self, line: str) -> None:
        """A line of `up` itself."""
        self.log("up", line)

    def result(self, line: str, state: str = "") -> None:
        """A line that was asked for, in the colour of an outcome."""
        if self._colour_out and state in _STATE_COLOURS:
            line = _STATE_COLOURS[state] + line + _RESET
        self._write(self._out, line)

    def _object(self, role: str, line: str) -> str:
        return json.dumps(
            {"time": iso_ms(self._clock.now_ms()), "level": "info", "role": role, "message": line}, ensure_ascii=False
        )

    def _write(self, stream: TextIO, line: str) -> None:
        encoding = stream.encoding or "utf-8"
        line = line.encode(encoding, "backslashreplace").decode(encoding)
        with self._lock:
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):  # whoever read it is gone; the roles go on
                return
