"""Executions as the matching agent writes them, for tests of those who follow: chained, in one market."""

from collections.abc import Sequence

from runtime.journal.chain import ORIGIN, seal
from schemas.executions import (
    ChainedExecution,
    Event,
    HouseFilled,
    MarketOpened,
    PriceListed,
    Ticked,
    decode_execution,
    encode_execution,
)

SYMBOL = "ABAN-USD"
VALUE = 100
PRICE = 2_000
"""20.00 a coin; a lot is 0.0001 coin, worth 0.002 USD: 200,000 atoms."""
LOT_BASE = 10_000
DOLLAR = 10**8


class Market:
    """Writes one market's executions. A lot costs PRICE * VALUE atoms."""

    def __init__(self, symbol: str = SYMBOL) -> None:
        self.symbol = symbol
        self.seq = 0
        self.trade_seq = 0
        self.chain = ORIGIN

    def tell(self, time_ms: int, *events: Event) -> bytes:
        self.seq += 1
        place = (self.symbol, self.seq, 0, self.seq - 1, time_ms, 1, True)
        value, self.chain = seal(encode_execution(place, None, events), self.chain)
        return value

    def begin(self) -> list[bytes]:
        opened = MarketOpened(
            market=self.symbol, base="ABAN", quote="USD", base_scale=8, quote_scale=8, tick_size="0.01",
            lot_size="0.0001", lot_base_atoms=LOT_BASE, tick_lot_quote_atoms=VALUE, status="open", maker_fee_bps=0,
            taker_fee_bps=0, band_bps=0, min_notional_atoms=0, rules_version=1,
        )  # fmt: skip
        return [self.tell(1, opened), self.tell(2, PriceListed(PRICE))]

    def buy(self, time_ms: int, order_id: int, lots: int, price: int = PRICE) -> bytes:
        self.trade_seq += 1
        return self.tell(
            time_ms,
            HouseFilled(self.trade_seq, order_id, 7, price, lots, lots * LOT_BASE, lots * price * VALUE, 0),
        )

    def tick(self, time_ms: int) -> bytes:
        return self.tell(time_ms, Ticked(time_ms))


def executions(values: Sequence[bytes]) -> list[ChainedExecution]:
    return [decode_execution(value) for value in values]
