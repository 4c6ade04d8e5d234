"""Reads rows by id for many calls at once: one query for all that ask while the last one runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from api.batching import Batches
from api.database import Database
from ledger.connection import Connection

LANES = 2
T = TypeVar("T")


class Reader(Generic[T]):
    """What it answers was committed when it was asked, or later. `read` finds many of one kind."""

    def __init__(
        self, database: Database, read: Callable[[Connection, Sequence[int]], Awaitable[Mapping[int, T]]], name: str
    ) -> None:
        self._database = database
        self._read = read
        self._name = name
        self._batches: Batches[int, T | None] = Batches(self._find_all, name=f"{name} reader", at_once=LANES)

    async def find(self, row_id: int) -> T | None:
        return await self._batches.ask(row_id)

    async def get(self, row_id: int) -> T:
        """One that is known to be there."""
        found = await self.find(row_id)
        assert found is not None, f"{self._name} {row_id} was there, and is never removed"
        return found

    async def _find_all(self, row_ids: Sequence[int]) -> Sequence[T | None]:
        async with self._database.connection() as connection:
            found = await self._read(connection, sorted(set(row_ids)))
        return [found.get(row_id) for row_id in row_ids]
