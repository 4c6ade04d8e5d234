"""Waiting for a word: by Redis, by the poll when the word is lost, and not for ever."""

import asyncio

import pytest

from api.outcomes import Outcomes
from runtime import redis
from schemas.results import Result, encode_results, results_channel


@pytest.fixture
def decided():
    return set()


@pytest.fixture
async def outcomes(space, decided):
    async def look(command_ids):
        return [command_id for command_id in command_ids if command_id in decided]

    waiting = Outcomes(space, look)
    tasks = [asyncio.create_task(waiting.listen()), asyncio.create_task(waiting.poll())]
    yield waiting
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_word_over_redis_is_heard(space, outcomes):
    async with redis.client(space) as client:
        with outcomes.expect(7) as expected:
            message = encode_results([Result(6, "open"), Result(7, "filled", 3)])
            while not await client.publish(space.redis_key(results_channel(outcomes.reply)), message):
                await asyncio.sleep(0.01)  # until the instance listens
            assert await expected.within(30)


async def test_a_lost_word_is_found_by_the_poll(outcomes, decided):
    with outcomes.expect(7) as first, outcomes.expect(7) as second:
        decided.add(7)
        assert await first.within(30)
        assert await second.within(30)


async def test_who_waits_in_vain_is_told_and_forgotten(outcomes):
    with outcomes.expect(7) as expected:
        assert not await expected.within(0.01)
    assert outcomes._waiting == {}


async def test_a_message_that_cannot_be_read_harms_nobody(space, outcomes, decided):
    async with redis.client(space) as client:
        while not await client.publish(space.redis_key(results_channel(outcomes.reply)), b"nonsense"):
            await asyncio.sleep(0.01)
    with outcomes.expect(7) as expected:
        decided.add(7)
        assert await expected.within(30)
