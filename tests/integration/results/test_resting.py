"""A results backend that failed is left alone for some seconds, and what is said of it is said once."""

from __future__ import annotations

import logging

import pytest

from dkronpy.errors import StoreUnavailableError
from dkronpy.results.opening import open_results
from dkronpy.results.resting import REST_SECONDS, resting
from tests.support import HandClock, StoreServer


def test_one_that_failed_is_not_asked_before_it_has_rested(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    with StoreServer(kind="valkey") as server, caplog.at_level(logging.WARNING):
        results = open_results(server.url)
        rested = resting(results, clock)
        assert rested.runs() == []
        server.terminate()
        with pytest.raises(StoreUnavailableError, match="not reachable"):
            rested.run("a@b")
        server.start()
        with pytest.raises(StoreUnavailableError, match="not reachable"):
            rested.run("a@b")
        clock.seconds += REST_SECONDS
        assert rested.run("a@b") is None
        assert [message.partition(":")[0] for message in caplog.messages] == [
            "what has ended waits to be filed", "the results backend works again",
        ]  # fmt: skip
        results.close()
