"""The log of a service: what others write into it becomes a line as well."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from dkronpy.log import set_up_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where everything that is logged goes; afterwards handlers and level are as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    set_up_logging("agent n1", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_celery_says_in_a_line_that_it_tries_again_to_store_a_result(stream: io.StringIO) -> None:
    log = logging.getLogger("celery.backends.base")
    try:
        raise ConnectionError("closed by\nserver")
    except ConnectionError:
        log.warning("Failed operation %s.", "_store_result", exc_info=True)
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("warning [agent n1] Failed operation _store_result. closed by server")


@pytest.mark.parametrize(("error", "shown"), [(BrokenPipeError(32, "Broken pipe"), False), (KeyError("x"), True)])
def test_celery_says_in_a_line_that_a_connection_has_ended(error: Exception, shown: bool, stream: io.StringIO) -> None:
    try:
        raise error
    except type(error):
        logging.getLogger("celery.worker.request").critical("Couldn't ack 74", exc_info=True)
    assert ("Traceback" in stream.getvalue()) is shown


def test_a_traceback_of_ours_is_kept(stream: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("dkronpy.agent").exception("it broke")
    assert "Traceback" in stream.getvalue()
