"""The books of a simulated exchange: the twin in memory, behind connections that may break around a commit.

A transaction is one deed between two steps of the loop, as the row locks make it in PostgreSQL; whether its commit was
heard of is another matter (`Database`).
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from ledger.postings import Posting
from ledger.transfer_rules import TransferRequest
from tests.ledger.memory.books import Books as Twin
from tests.simulation.loop import Process
from tests.simulation.weather import Weather

MAX_OPEN_ORDERS = 12
AT_ONCE = 500
T = TypeVar("T")


class Away(Exception):  # noqa: N818  -- a state of the world
    """The database did not answer: what was asked for is done or is not."""


class Books(Twin):
    """The twin, and what an auditor wants to know besides: what was asked for, and how often a run came too early."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.early = 0
        self.asked: list[tuple[int, TransferRequest]] = []

    def _transfer(self, request: TransferRequest, legs: Iterable[Posting]) -> int:
        transfer_id = super()._transfer(request, legs)
        self.asked.append((transfer_id, request))
        return transfer_id


class Database:
    """One process's connections. A commit that nobody heard of is `Away`, and the books know better."""

    def __init__(self, books: Books, process: Process, weather: Weather) -> None:
        self.books = books
        self._process = process
        self._weather = weather

    async def run(self, deed: Callable[[], T]) -> T:
        self._process.check()
        await self._weather.pause()
        if self._weather.happens(self._weather.database_refuses):
            raise Away("the transaction was rolled back")
        result = deed()
        await self._weather.pause()
        if self._weather.happens(self._weather.commit_unknown):
            raise Away("the connection broke around the commit")
        return result
