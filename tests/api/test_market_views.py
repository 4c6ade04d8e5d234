import asyncio

import pytest

from api.market_views import MarketViews
from schemas.errors import Refusal
from schemas.views import HEAD_BYTES, Book, Ticker, encode_view


def book(seq: int) -> Book:
    return Book("M", seq, "2026-01-31T12:00:00.000Z", 0, [("1.00", "2")], [])


class MemoryViews:
    """Redis' side: values, how often each was read whole, and whether it is there."""

    def __init__(self, **values: bytes) -> None:
        self.values = values
        self.reads: list[str] = []
        self.is_away = False

    async def head(self, name: str) -> bytes:
        await self._answer()
        return self.values.get(name, b"")[:HEAD_BYTES]

    async def value(self, name: str) -> bytes | None:
        await self._answer()
        self.reads.append(name)
        return self.values.get(name)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionRefusedError


def opened(views: MemoryViews, wait_s: float = 0.05) -> MarketViews:
    return MarketViews(views, wait_s)  # type: ignore[arg-type]  # a twin of the real one


async def refused(asked) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        await asked
    return caught.value.code.name, caught.value.message


async def test_a_book_that_has_not_changed_is_read_once():
    views = MemoryViews(**{"book:M": encode_view(book(5))})
    market = opened(views)
    assert [await market.book("M"), await market.book("M", 5)] == [book(5), book(5)]
    views.values["book:M"] = encode_view(book(6))
    assert await market.book("M") == book(6)
    assert views.reads == ["book:M", "book:M"]


async def test_many_calls_at_once_are_one_question():
    views = MemoryViews(**{"book:M": encode_view(book(5))})
    market = opened(views)
    assert await asyncio.gather(*(market.book("M") for _ in range(50))) == [book(5)] * 50
    assert views.reads == ["book:M"]


async def test_a_book_is_waited_for_until_it_has_the_seq():
    views = MemoryViews(**{"book:M": encode_view(book(5))})
    asked = asyncio.create_task(opened(views, 60).book("M", 7))
    for seq in (6, 7):
        while len(views.reads) < seq - 5:
            await asyncio.sleep(0.005)
        assert not asked.done()
        views.values["book:M"] = encode_view(book(seq))
    assert await asked == book(7)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"not a book", b'{"market":"M","seq":1'])
async def test_what_is_no_book_is_as_good_as_none(value: bytes | None):
    views = MemoryViews() if value is None else MemoryViews(**{"book:M": value})
    assert await refused(opened(views).book("M")) == (
        "unavailable", "The order book of M is not ready; nothing was done, try again."
    )  # fmt: skip


async def test_a_book_that_stays_behind_says_where_it_is():
    market = opened(MemoryViews(**{"book:M": encode_view(book(5))}))
    assert await refused(market.book("M", 9)) == (
        "unavailable", "The order book of M is at seq 5, and has not reached 9; nothing was done, try again."
    )  # fmt: skip


async def test_without_redis_there_is_no_view():
    views = MemoryViews()
    views.is_away = True
    market = opened(views)
    said = ("unavailable", "Redis is away for the moment; nothing was done, try again.")
    assert await asyncio.gather(*(refused(market.book("M")) for _ in range(3))) == [said] * 3
    assert await refused(market.ticker("M")) == said


async def test_a_ticker_is_read_as_it_is():
    ticker = Ticker("M", 1, None, None, None, None, "0", "0.00", None, None, None)
    assert await opened(MemoryViews(**{"ticker:M": encode_view(ticker)})).ticker("M") == ticker
    assert (await refused(opened(MemoryViews()).ticker("M")))[0] == "unavailable"
