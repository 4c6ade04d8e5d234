"""Waiting for the wallet agent's word: it comes over Redis, and one poll of the books finds what got lost.

The word only says that a command is decided; what became of it is always read from the books.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from api.database import LOST
from runtime import redis
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.errors import Refusal
from schemas.results import decode_results, results_channel

log = logging.getLogger("api")
POLL_S = 0.1
AGAIN_S = 0.5
LISTEN_S = 5.0
AWAY: tuple[type[Exception], ...] = (*LOST, Refusal)

Decided = Callable[[Sequence[int]], Awaitable[Sequence[int]]]


class Outcomes:
    """`reply` is the name by which commands say where their sender waits."""

    def __init__(self, settings: Settings, decided: Decided) -> None:
        self.reply = f"api-{secrets.token_hex(6)}"
        self._settings = settings
        self._decided = decided
        self._waiting: dict[int, list[asyncio.Future[bool]]] = {}
        self._someone = asyncio.Event()

    def expect(self, command_id: int) -> "Expectation":
        """To be made before the command is sent, so that no word can be missed."""
        return Expectation(self, command_id)

    def add(self, command_id: int, future: asyncio.Future[bool]) -> None:
        self._waiting.setdefault(command_id, []).append(future)
        self._someone.set()

    def remove(self, command_id: int, future: asyncio.Future[bool]) -> None:
        futures = self._waiting.get(command_id, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._waiting.pop(command_id, None)

    def tell(self, command_ids: Sequence[int]) -> None:
        for command_id in command_ids:
            for future in self._waiting.pop(command_id, ()):
                _settle(future, is_decided=True)

    async def listen(self) -> None:
        """Redis may come and go; meanwhile the poll finds everything."""
        channel = self._settings.redis_key(results_channel(self.reply))
        while True:
            client = redis.subscriber(self._settings, name="api")
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(channel)
                    while True:
                        message = await pubsub.get_message(timeout=LISTEN_S)
                        if message is not None:
                            self._hear(message["data"])
            except redis.UNWELL as error:
                log.info("Redis is away (%s); outcomes come by the poll", type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            finally:
                await client.aclose()

    def _hear(self, data: bytes) -> None:
        try:
            self.tell([result.command_id for result in decode_results(data)])
        except msgspec.DecodeError:
            log.warning("a word on the results channel could not be read")

    async def poll(self) -> None:
        """One query for all who have waited for a whole turn; none while the word comes faster than that."""
        before: set[int] = set()
        while True:
            await self._someone.wait()
            await asyncio.sleep(POLL_S)
            late = [command_id for command_id in self._waiting if command_id in before]
            before = set(self._waiting)
            if not before:
                self._someone.clear()
            if not late:
                continue
            try:
                found = await self._decided(late)
            except AWAY:
                continue
            metrics.OUTCOMES_POLLED.inc(len(found))
            self.tell(found)


class Expectation:
    """One caller's wait for one command."""

    def __init__(self, outcomes: Outcomes, command_id: int) -> None:
        self._outcomes = outcomes
        self._command_id = command_id
        self._future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> "Expectation":
        self._outcomes.add(self._command_id, self._future)
        return self

    def __exit__(self, *_error: object) -> None:
        self._outcomes.remove(self._command_id, self._future)

    async def within(self, seconds: float) -> bool:
        """Whether the command was decided in time."""
        began = time.perf_counter()
        timer = asyncio.get_running_loop().call_later(seconds, _settle, self._future, False)
        try:
            is_decided = await self._future
        finally:
            timer.cancel()
        if is_decided:
            metrics.OUTCOME_SECONDS.observe(time.perf_counter() - began)
        return is_decided


def _settle(future: asyncio.Future[bool], is_decided: bool) -> None:
    if not future.done():
        future.set_result(is_decided)
