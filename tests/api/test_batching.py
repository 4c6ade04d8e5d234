import asyncio

import pytest

from api.batching import Batches
from schemas.errors import Refusal


class Work:
    """Doubles numbers, and remembers in which batches they came."""

    def __init__(self) -> None:
        self.batches = []
        self.gate = asyncio.Event()

    async def __call__(self, numbers):
        self.batches.append(list(numbers))
        await self.gate.wait()
        if 13 in numbers:
            raise ValueError("thirteen")
        return [2 * number for number in numbers]


async def begun(work, count):
    while len(work.batches) < count:
        await asyncio.sleep(0)


async def test_what_is_asked_while_a_batch_runs_goes_together_into_the_next():
    work = Work()
    batches = Batches(work, name="test", most=3)
    first = asyncio.create_task(batches.ask(1))
    await begun(work, 1)
    rest = [asyncio.create_task(batches.ask(number)) for number in range(2, 7)]
    await asyncio.sleep(0)
    work.gate.set()
    assert [await task for task in (first, *rest)] == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3, 4], [5, 6]]


async def test_a_batch_that_raises_fails_all_who_wait_for_it_and_nobody_else():
    work = Work()
    work.gate.set()
    batches = Batches(work, name="test")
    answers = await asyncio.gather(*(batches.ask(number) for number in (1, 13, 2)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["thirteen"] * 3
    assert await batches.ask(4) == 8


async def test_a_queue_that_is_too_long_refuses():
    work = Work()
    batches = Batches(work, name="test", waiting=2)
    waiting = [asyncio.create_task(batches.ask(1))]
    await begun(work, 1)
    waiting += [asyncio.create_task(batches.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await batches.ask(4)
    assert refused.value.code.name == "unavailable"
    work.gate.set()
    assert [await task for task in waiting] == [2, 4, 6]


async def test_who_hangs_up_costs_the_others_nothing():
    work = Work()
    batches = Batches(work, name="test")
    gone, stays = (asyncio.create_task(batches.ask(number)) for number in (1, 2))
    await begun(work, 1)
    gone.cancel()
    work.gate.set()
    assert await stays == 4
