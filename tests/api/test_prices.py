from decimal import Decimal

import pytest

from api.admission import Reference
from api.catalogue import Listed
from api.prices import OLD_S, Prices, best
from schemas import money
from tests.api.test_admission import MARKET

UNITS = money.market_units(Decimal("0.01"), Decimal("0.0001"), 8, 8)


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (b'{"seq": 1, "bids": [["99.50", "1"]], "asks": [["100.00", "2"], ["101", "1"]]}', (9950, 10_000)),
        (b'{"bids": [], "asks": [["100", "2"]]}', (None, 10_000)),
        (b'{"bids": [], "asks": []}', (None, None)),
        (None, (None, None)),
        (b"not json", (None, None)),
        (b'{"bids": [["99.501", "1"]], "asks": []}', (None, None)),
    ],
)
def test_the_best_prices_are_read_from_the_view(view, found):
    assert best(view, UNITS) == found


async def test_a_price_is_remembered_for_a_moment():
    now, asked = [0.0], []

    async def book(symbol):
        asked.append(symbol)

    async def last(_symbol):
        return 9_990 + len(asked)

    prices = Prices(book, last, lambda: now[0])
    listed = Listed(MARKET, UNITS)
    assert await prices.reference(listed) == await prices.reference(listed) == Reference(None, None, 9_991, 5_000_000)
    now[0] = OLD_S
    assert (await prices.reference(listed)).last_ticks == 9_992
    assert asked == ["BTC-USD", "BTC-USD"]
