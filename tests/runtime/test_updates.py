"""Who was changed by a commit is told together, counted, and repeated as a number when there is nothing to tell."""

import asyncio

import pytest

from api.sockets.hearing import Hearing
from runtime import updates
from runtime.settings import Settings
from runtime.updates import Updates
from schemas.updates import Touched, Update, decode_update


class Wire:
    """A Redis that takes messages when it is told to."""

    def __init__(self) -> None:
        self.heard: list[Update] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, channel: str, message: bytes) -> None:
        assert channel == "space:updates"
        await self.gate.wait()
        if self.is_away:
            raise ConnectionRefusedError
        self.heard.append(decode_update(message))

    async def has(self, count: int) -> list[Update]:
        while len(self.heard) < count:
            await asyncio.sleep(0.001)
        return self.heard[:count]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def source(wire, tmp_path, monkeypatch):
    monkeypatch.setattr(updates, "BEAT_S", 0.02)
    source = Updates(Settings(home=tmp_path, namespace="space"), wire, "wallet")
    task = asyncio.create_task(source.run())
    async with asyncio.timeout(30):
        yield source
    assert not task.done(), task.exception()
    task.cancel()


async def test_a_source_says_at_once_that_it_is_there(wire, source):
    assert await wire.has(1) == [Update(source.source, 0, [])]
    assert source.source.startswith("wallet-")


async def test_what_gathers_meanwhile_goes_together(wire, source):
    await wire.has(1)
    wire.gate.clear()
    source.touch([(9, 90)])
    while source._touched:  # it is on its way, and does not arrive
        await asyncio.sleep(0.001)
    source.touch([(1, 10), (2, None)])
    source.touch([(1, 12), (1, 11), (3, 30)])
    wire.gate.set()
    while wire.heard[-1].number < 2:
        await asyncio.sleep(0.001)
    told = {one.number: one.touched for one in wire.heard if one.touched}
    assert told == {
        1: [Touched(9, [90])], 2: [Touched(1, [10, 11, 12]), Touched(2, []), Touched(3, [30])],
    }  # fmt: skip


async def test_a_message_that_was_lost_leaves_a_gap_that_the_next_beat_shows(wire, source):
    hearing = Hearing()
    for update in await wire.has(1):
        hearing.hear(update, 0)
    hearing.is_whole = True
    wire.is_away = True
    source.touch([(1, 10)])
    while source._touched:
        await asyncio.sleep(0.001)
    wire.is_away = False
    count = len(wire.heard)
    for update in (await wire.has(count + 1))[1:]:
        hearing.hear(update, 0)
    assert not hearing.is_whole


async def test_too_much_for_a_message_is_a_gap_too(wire, source, monkeypatch):
    monkeypatch.setattr(updates, "MOST_USERS", 2)
    hearing = Hearing()
    for update in await wire.has(1):
        hearing.hear(update, 0)
    hearing.is_whole = True
    source.touch([(number, None) for number in range(3)])
    while wire.heard[-1].number < 2:
        await asyncio.sleep(0.001)
    assert wire.heard[-1].touched == []
    hearing.hear(wire.heard[-1], 0)
    assert not hearing.is_whole
