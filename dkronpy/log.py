"""Sets up logging for a service: a line of text for people, or an object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Literal, TextIO

Format = Literal["text", "json"]

# They say at INFO what concerns nobody who runs jobs.
_QUIET = ("celery.worker.strategy", "celery.app.trace", "kombu", "urllib3", "tornado.access")

_THEIRS = ("celery.", "kombu.", "amqp.")


class TextFormatter(logging.Formatter):
    """``2026-11-23 02:30:00.123 info [beat] message``, in the machine's zone; a traceback follows on its own lines."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        head = f"{moment:%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d} {record.levelname.lower()} [{self._role}]"
        return "\n".join([f"{head} {record.getMessage()}", *_trace(self, record)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, role, logger, message, and the traceback if there is one."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        fields = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := _trace(self, record):
            fields["trace"] = "\n".join(trace)
        return json.dumps(fields, ensure_ascii=False)


class _Briefly(logging.Filter):
    """Celery and kombu show a traceback when they will try again by themselves, and when a connection has ended: a line
    says as much.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback off, and say what it ended with."""
        if not record.exc_info or not record.name.startswith(_THEIRS):
            return True
        error = record.exc_info[1]
        if record.levelno <= logging.WARNING or isinstance(error, OSError):
            said = " ".join(str(error).split())
            record.msg, record.args, record.exc_info = f"{record.getMessage()} {said}", None, None
        return True


def set_up_logging(
    role: str, *, level: str = "info", form: Format = "text", stream: TextIO | None = None
) -> logging.Handler:
    """Send everything that is logged in this process to *stream* (standard error by default), as *role*.

    *level* is the least severe that is written: ``debug``, ``info``, ``warning`` or ``error``. Handlers that were there
    are replaced, so that calling it twice writes nothing twice. Returns the handler.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter(role) if form == "json" else TextFormatter(role))
    handler.addFilter(_Briefly())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level) if level != "debug" else logging.DEBUG)
    logging.captureWarnings(capture=True)
    return handler


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return parts
