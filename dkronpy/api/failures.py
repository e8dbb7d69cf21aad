"""Errors as answers: problem+json on our own routes, Dkron's forms on Dkron's; never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
import redis
from litestar import Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException

from dkronpy.api.answers import AnyRequest, message_answer, text_answer
from dkronpy.errors import (
    ConfigError,
    ConflictError,
    DeniedError,
    DkronpyError,
    InvalidError,
    NotFoundError,
    StoreRefusedError,
    StoreUnavailableError,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
OURS = "/api/"
_STATUS: tuple[tuple[type[DkronpyError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (DeniedError, 403),
    (StoreUnavailableError, 503),
    (StoreRefusedError, 503),
    (ConfigError, 422),
)
TITLES = {
    400: "Bad request", 401: "Token needed", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 412: "Changed meanwhile", 413: "Too large", 422: "Invalid", 429: "Too many failures",
    500: "Internal error", 503: "Not available",
}  # fmt: skip
_UNUSABLE: Mapping[type[Exception], str] = {
    RecursionError: "what was sent is nested too deeply",
    UnicodeDecodeError: "what was sent is not UTF-8",
    UnicodeEncodeError: "what was sent holds half of a character",
    OverflowError: "a number or a moment that was sent is out of range",
}
"""What Python itself cannot do with what somebody sends."""


class ApiError(DkronpyError):
    """An answer that a handler wants to give."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


def answer_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """The answer to whatever a handler, the guard or the framework raised."""
    status, headers = _status(error), dict(getattr(error, "headers", None) or {})
    text = _text(error)
    if request.scope["path"].startswith(OURS):
        answer = _problem(error, status, text)
    elif isinstance(error, (NotFoundException, MethodNotAllowedException)):
        answer = text_answer("404 page not found", 404)
    else:
        answer = message_answer(request, text, status)
    answer.headers.update(headers)
    return answer


def _status(error: Exception) -> int:
    if isinstance(error, ApiError):
        return error.status
    if isinstance(error, DkronpyError):
        return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, redis.RedisError):
        return 503
    if type(error) in _UNUSABLE:
        log.warning("refused: %s", error)
        return 400
    log.error("%s", type(error).__name__, exc_info=error)
    return 500


def _text(error: Exception) -> str:
    if isinstance(error, DkronpyError):
        return str(error)
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, redis.RedisError):
        log.error("the store refused: %s", error)
        return "the store could not do it"
    return _UNUSABLE.get(type(error)) or "something went wrong here; the server's log has it"


def _problem(error: Exception, status: int, text: str) -> Response[bytes]:
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status}
    body["detail"] = text
    if getattr(error, "hint", ""):
        body["hint"] = error.hint  # type: ignore[attr-defined]
    if isinstance(error, InvalidError):
        body["errors"] = [{"path": one.field, "message": one.message, "hint": one.hint} for one in error.problems]
    elif isinstance(error, ValidationException) and isinstance(error.extra, list):
        body["errors"] = [
            {"path": str(one.get("key", "")), "message": str(one.get("message", ""))}
            for one in error.extra
            if isinstance(one, dict)
        ]
    return Response(msgspec.json.encode(body), status_code=status, media_type=PROBLEM)
