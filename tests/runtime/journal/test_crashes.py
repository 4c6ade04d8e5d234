"""Kills on the real broker: after each one the outputs are those of an uninterrupted replay, byte for byte."""

import random
import signal
import time

import pytest

from tests.runtime.journal.lab import Lab

POINTS = (
    "journal.at_assignment:2",
    "journal.after_consume:30",
    "journal.before_produce:40",
    "journal.after_outputs:6",
    "journal.after_slots:7",
    "journal.after_manifest:9",
)


async def killed_at(lab: Lab, point: str) -> None:
    """Starts a worker that dies at this point, and sees that it died there, with commands in flight."""
    victim = lab.worker(crash_at=point)
    assert await victim.gone() == -signal.SIGKILL, victim.said()[-3000:]
    assert victim.trace.read_text().split(" ")[0] == point
    assert await lab.left_by(victim) > 0


async def test_a_worker_killed_at_any_named_point_loses_and_doubles_nothing(space, tmp_path):
    async with Lab(space, tmp_path) as lab:
        async with lab.loading():
            for point in POINTS:
                await killed_at(lab, point)
        lab.worker()
        await lab.drained()
        assert await lab.check() > 0


async def test_a_worker_killed_at_random_loses_and_doubles_nothing(space, tmp_path):
    chance = random.Random(20)
    async with Lab(space, tmp_path) as lab:
        async with lab.loading():
            for _ in range(3):
                victim = lab.worker()
                await lab.more_outcomes(chance.randrange(1, 4000))
                await lab.catch(victim)
                moment = time.time()
                victim.signal(signal.SIGKILL)
                assert await victim.gone() == -signal.SIGKILL
                assert await lab.in_flight(moment) > 0
        lab.worker()
        await lab.drained()
        await lab.check()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_hundred_kills_at_random(space, tmp_path):
    chance = random.Random()
    in_flight = 0
    async with Lab(space, tmp_path) as lab:
        async with lab.loading(1000):
            for _ in range(100):
                victim = lab.worker()
                await lab.more_outcomes(chance.randrange(1, 1500))
                moment = time.time()
                victim.signal(signal.SIGKILL)
                assert await victim.gone() == -signal.SIGKILL
                in_flight += await lab.in_flight(moment) > 0
        lab.worker()
        await lab.drained()
        await lab.check()
    assert in_flight > 50
