import asyncio
import logging

import pytest

from api import background
from api.background import Background


async def test_a_task_that_fails_is_told_and_one_that_is_cancelled_is_not():
    work = Background()

    async def fail() -> None:
        raise ArithmeticError("lost count")

    work.start(asyncio.sleep(60), "sleeper")
    work.start(fail(), "counter")
    with pytest.raises(ArithmeticError):
        await work.failed()
    await work.close()


async def test_work_that_swallows_its_cancellation_is_told_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(background, "DEAF_S", 0.05)
    work, heard = Background(), []

    async def deaf() -> None:
        while len(heard) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard.append(True)

    work.start(deaf(), "deaf one")
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING):
        await work.close()
    assert len(heard) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the task deaf one did not hear that it is to end; told again"
    ]


async def test_closing_nothing_is_no_fault():
    await Background().close()
