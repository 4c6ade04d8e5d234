"""Partitions change hands: frozen workers, twins, workers that come and go. Late words only repeat what was said."""

import asyncio
import re
import signal
import time

from runtime.journal.halt import EXIT_CODE
from tests.runtime.journal.lab import Lab, Process


def assigned(process: Process) -> set[int]:
    """The partitions of the last assignment."""
    lines = re.findall(r"worker: assigned (.*)", process.said())
    return {int(number) for number in re.findall(r"/(\d+)", lines[-1])} if lines else set()


async def until(condition, what: str, *processes: Process, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        tails = "\n".join(process.said()[-2500:] for process in processes)
        assert time.monotonic() < deadline, f"never: {what}\n{tails}"
        await asyncio.sleep(0.02)


async def test_a_frozen_worker_that_wakes_up_after_the_takeover_only_repeats(space, tmp_path):
    async with Lab(space, tmp_path, session=2) as lab:
        async with lab.loading():
            frozen, heir = lab.worker("a"), lab.worker("b")
            await until(lambda: len(assigned(frozen)) == len(assigned(heir)) == 2, "both have two", frozen, heir)
            await lab.more_outcomes(2000)
            lost = assigned(frozen)
            await lab.catch(frozen)
            before = await lab.answered()
            await until(lambda: assigned(heir) == set(lab.partitions), "the heir has all", heir)
            await lab.more_outcomes(4000)
            after = await lab.answered()
            assert all(after[partition] > before[partition] for partition in lost)
            frozen.signal(signal.SIGCONT)
            assert await frozen.gone() == EXIT_CODE
            assert "was frozen for" in frozen.said()
            await lab.more_outcomes(1000)
        await lab.drained()
        await lab.check()


async def test_a_twin_takes_the_place_of_a_worker_and_nothing_is_said_twice_in_two_ways(space, tmp_path):
    async with Lab(space, tmp_path, session=2) as lab:
        async with lab.loading():
            first = lab.worker("same")
            await lab.more_outcomes(2000)
            second = lab.worker("same")
            await until(lambda: assigned(second) == set(lab.partitions), "the twin has all", second)
            await lab.more_outcomes(3000)
            second.signal(signal.SIGSTOP)
            third = lab.worker("same")
            await until(lambda: assigned(third) == set(lab.partitions), "the third has all", third)
            await lab.more_outcomes(3000)
            second.signal(signal.SIGCONT)
            await lab.more_outcomes(3000)
        await lab.drained()
        await lab.check()
        assert first.popen.poll() in (None, EXIT_CODE)


async def test_a_second_worker_joins_and_leaves_under_load(space, tmp_path):
    async with Lab(space, tmp_path) as lab:
        async with lab.loading():
            first = lab.worker("a")
            await lab.more_outcomes(1000)
            second = lab.worker("b")
            await until(lambda: len(assigned(first)) == len(assigned(second)) == 2, "both have two", first, second)
            await lab.more_outcomes(2000)
            second.signal(signal.SIGTERM)
            assert await second.gone() == 0
            await until(lambda: assigned(first) == set(lab.partitions), "the first has all again", first)
            await lab.more_outcomes(1000)
        await lab.drained()
        assert first.popen.poll() is None
        await lab.check()
