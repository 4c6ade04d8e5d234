"""Rows read together: each caller gets his own, and what he gets is not older than his question."""

import asyncio
import contextlib

import pytest

from api.reader import Reader


class Rows:
    """A table of one kind of row, which remembers what it was asked."""

    def __init__(self):
        self.rows = {1: "one", 2: "two"}
        self.asked = []
        self.go_on = asyncio.Event()

    @contextlib.asynccontextmanager
    async def connection(self):
        yield None

    async def read(self, _connection, row_ids):
        self.asked.append(list(row_ids))
        found = {row_id: self.rows[row_id] for row_id in row_ids if row_id in self.rows}
        await self.go_on.wait()
        return found


@pytest.fixture
async def rows():
    return Rows()


@pytest.fixture
def reader(rows):
    return Reader(rows, rows.read, "thing")


async def test_each_gets_his_own_with_one_query(rows, reader):
    rows.go_on.set()
    assert await asyncio.gather(*map(reader.find, (2, 1, 3, 2))) == ["two", "one", None, "two"]
    assert sum(map(len, rows.asked)) <= 4
    assert len(rows.asked) <= 2, "the lanes that there are"


async def test_who_asks_while_queries_run_sees_what_was_written_before_he_asked(rows, reader):
    early = []
    for row_id in (1, 2):
        early.append(asyncio.create_task(reader.find(row_id)))
        while len(rows.asked) < row_id:
            await asyncio.sleep(0)
    rows.rows[1] = "changed"
    late = asyncio.create_task(reader.find(1))
    await asyncio.sleep(0)
    rows.go_on.set()
    assert await asyncio.gather(*early, late) == ["one", "two", "changed"]


async def test_one_that_must_be_there_is_named_when_it_is_not(rows, reader):
    rows.go_on.set()
    with pytest.raises(AssertionError, match="thing 3 was there"):
        await reader.get(3)
