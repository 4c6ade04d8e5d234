"""The names of channels: `orderbook:M`, `trades:M`, `ticker:M`, `candles:M:1m`; `orders`, `wallet`.

A name is known or it is not; whether its market exists is the catalogue's to say.
"""

import dataclasses
import enum
import re

from schemas.candles import INTERVALS
from schemas.views import candles_channel, depth_channel, ticker_key, trades_channel

MARKET = r"[A-Z0-9]{1,16}-[A-Z0-9]{1,16}"
_PUBLIC = re.compile(rf"(orderbook|trades|ticker|candles):({MARKET})(?::({'|'.join(INTERVALS)}))?")


class Kind(enum.StrEnum):
    """What a channel tells."""

    ORDERBOOK = "orderbook"
    TRADES = "trades"
    TICKER = "ticker"
    CANDLES = "candles"
    ORDERS = "orders"
    WALLET = "wallet"


PRIVATE = frozenset({Kind.ORDERS, Kind.WALLET})
"""Channels that show their owner's things, and need to know who he is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Channel:
    """One channel; private ones have no market, only candles have an interval."""

    name: str
    kind: Kind
    market: str = ""
    interval: str = ""

    @property
    def source(self) -> str:
        """The channel of Redis on which the market data agent tells what this one passes on."""
        match self.kind:
            case Kind.ORDERBOOK:
                return depth_channel(self.market)
            case Kind.TRADES:
                return trades_channel(self.market)
            case Kind.TICKER:
                return ticker_key(self.market)
            case Kind.CANDLES:
                return candles_channel(self.market, self.interval)
        raise AssertionError(f"{self.name} comes from the books")


def parse(name: str) -> Channel | None:
    """The channel of this name; None when there is none."""
    if name in PRIVATE:
        return Channel(name, Kind(name))
    match = _PUBLIC.fullmatch(name)
    if match is None:
        return None
    kind, market, interval = Kind(match[1]), match[2], match[3] or ""
    return Channel(name, kind, market, interval) if (kind is Kind.CANDLES) == bool(interval) else None
