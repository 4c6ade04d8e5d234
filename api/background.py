"""Work that goes on as long as the process does. A task that fails takes the process with it: no half serves."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

DEAF_S = 6.0
"""Longer than a Kafka client may take to say goodbye."""
log = logging.getLogger("api")


class Background:
    """Starts tasks, and tells when one of them ended though nobody told it to."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def failed(self) -> None:
        """Raises what the first failing task raised, and never returns otherwise."""
        await asyncio.shield(self._failed)

    async def close(self) -> None:
        """Cancels everything and waits for it; again where a library has swallowed the word."""
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=DEAF_S)
            for task in pending:
                log.warning("the task %s did not hear that it is to end; told again", task.get_name())
        self._failed.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.critical("the task %s failed", task.get_name(), exc_info=error)
        if not self._failed.done():
            self._failed.set_exception(error)
