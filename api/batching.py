"""Many callers, one statement: what is asked while a batch runs goes into the next one, so rest costs no waiting.

Under load the batches grow by themselves; a batch that raises fails all its callers at once; a queue that is too long
refuses instead of growing.
"""

import asyncio
import collections
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from schemas.errors import UNAVAILABLE, Refusal

Q = TypeVar("Q")
A = TypeVar("A")


class Batches(Generic[Q, A]):
    """`work` answers a batch of questions, in their order."""

    def __init__(
        self,
        work: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        name: str,
        most: int = 256,
        at_once: int = 1,
        waiting: int = 5000,
    ) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._idle = at_once
        self._waiting = waiting
        self._queue: collections.deque[tuple[Q, asyncio.Future[A]]] = collections.deque()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        if len(self._queue) >= self._waiting:
            raise Refusal(UNAVAILABLE, "Too much is asked at once; nothing was done, try again.", retry_after_s=1)
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._queue.append((question, answer))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._drain(), name=self._name)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _drain(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(0)  # whoever is ready to ask in this turn of the loop comes along
                await self._one_batch()
        finally:
            self._idle += 1

    async def _one_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        if not batch:
            return
        try:
            answers = await self._work([question for question, _ in batch])
        except BaseException as error:
            failure = error if isinstance(error, Exception) else asyncio.CancelledError()
            for _, waiter in batch:
                if not waiter.done():
                    waiter.set_exception(failure)
            if not isinstance(error, Exception):
                raise
            return
        for (_, waiter), answer in zip(batch, answers, strict=True):
            if not waiter.done():
                waiter.set_result(answer)
