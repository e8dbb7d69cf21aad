"""What browsers are told of: everything from the moment on at which they know that they are connected."""

from __future__ import annotations

import asyncio

import msgspec

from dkronpy.client import Client
from dkronpy.web.pulse import Pulse
from tests.support import run_apart
from tests.unit.web.conftest import save


async def _until(pulse: Pulse, topic: str) -> list[str]:
    """What one browser is told until it hears of a topic."""
    told: list[str] = []
    async for message in pulse.listen(lambda _: True, resumed=False):
        told += msgspec.json.decode(message.partition(b"data: ")[2])
        if topic in told:
            break
    return told


def test_what_happens_while_the_reader_is_being_started_is_told(client: Client) -> None:
    save(client, "backup")
    pulse = Pulse(client)
    pulse.begin()
    topic = f"run:{client.run_job('backup').run.id}"
    pulse.begin()  # another browser, a moment later: the first one has heard of nothing yet
    assert topic in run_apart(asyncio.wait_for(_until(pulse, topic), 20))
