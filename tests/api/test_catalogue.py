import asyncio

import pytest

from api.catalogue import OLD_S, Catalogue
from ledger.reads import Currency
from schemas.errors import Refusal


class Books:
    """Hand-written: answers when it is told to, and counts."""

    def __init__(self) -> None:
        self.scale = 0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self):
        self.asked += 1
        scale = self.scale
        await self.gate.wait()
        return [Currency("USD", "US dollar", scale)], []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def books():
    return Books()


async def test_what_is_recent_is_asked_for_once(books):
    clock = Clock()
    catalogue = Catalogue(books.fetch, clock)
    assert [(await catalogue.recent()).currencies["USD"].scale for _ in range(3)] == [0, 0, 0]
    assert books.asked == 1
    books.scale, clock.now = 2, OLD_S
    assert (await catalogue.recent()).currencies["USD"].scale == 2


async def test_who_asks_for_what_is_fresh_never_gets_a_query_that_began_before(books):
    catalogue = Catalogue(books.fetch)
    books.gate.clear()
    early = asyncio.create_task(catalogue.fresh())
    while not books.asked:
        await asyncio.sleep(0)
    books.scale = 2
    late = [asyncio.create_task(catalogue.fresh()) for _ in range(5)]
    await asyncio.sleep(0)
    books.gate.set()
    assert (await early).currencies["USD"].scale == 0
    assert {(await task).currencies["USD"].scale for task in late} == {2}
    assert books.asked == 2, "five who came together cost one query"


async def test_a_query_that_failed_fails_its_callers_and_is_forgotten(books):
    async def broken():
        raise ConnectionRefusedError

    catalogue = Catalogue(broken)
    with pytest.raises(ConnectionRefusedError):
        await catalogue.fresh()
    catalogue._fetch = books.fetch
    assert (await catalogue.recent()).currencies["USD"].scale == 0


async def test_a_code_that_nobody_knows_is_asked_for_afresh_and_refused(books):
    catalogue = Catalogue(books.fetch)
    await catalogue.recent()
    listing = await catalogue.with_currency("NOPE")
    assert books.asked == 2
    with pytest.raises(Refusal) as refused:
        listing.currency("NOPE", "asset")
    assert (refused.value.code.name, refused.value.field) == ("unknown_asset", "asset")
