"""What everybody may see of one market, after each of its executions: depth, latest trades, the last 24 hours.

It is a state machine: the same executions give the same state and the same snapshot, whoever runs it. Only what was
already told (`told_seq`, the changed levels, the trades to tell) belongs to the process and is in no snapshot.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from agents.marketdata.depth import Depth
from agents.marketdata.window import Minute, Window
from schemas.executions import (
    Canceled,
    ChainedExecution,
    Event,
    Expired,
    HouseFilled,
    MarketOpened,
    Reduced,
    Rested,
    Traded,
)
from schemas.money import MarketUnits, market_units

RECENT_TRADES = 100
MOST_UNTOLD = 10_000


class SeenTrade(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A trade, with the execution that it belongs to."""

    trade_seq: int
    seq: int
    kind: str
    price_ticks: int
    lots: int
    taker_side: str
    time_ms: int


class Snapshot(msgspec.Struct, array_like=True):
    """The state in bytes."""

    seq: int
    source_offset: int
    chain: str
    time_ms: int
    whole: bool
    opened: MarketOpened | None
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    last_ticks: int | None
    minutes: list[Minute]
    recent: list[SeenTrade]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class View:
    """One market. `whole` is false between the parts of one outcome: then nobody is shown anything."""

    __slots__ = (
        "chain", "depth", "market", "opened", "recent", "seq", "source_offset", "time_ms", "told_seq", "units",
        "untold", "whole", "window",
    )  # fmt: skip

    def __init__(self, market: str, state: Snapshot | None = None, chain: str = "") -> None:
        state = state or Snapshot(0, -1, chain, 0, True, None, [], [], None, [], [])
        self.market = market
        self.seq = self.told_seq = state.seq
        self.source_offset = state.source_offset
        self.chain = state.chain
        self.time_ms = state.time_ms
        self.whole = state.whole
        self.opened = state.opened
        self.units: MarketUnits | None = _units(state.opened) if state.opened is not None else None
        self.depth = Depth(state.bids, state.asks)
        self.window = Window(state.last_ticks, state.minutes)
        self.recent = deque(state.recent, RECENT_TRADES)
        self.untold = deque(state.recent, MOST_UNTOLD)
        """Trades to tell; after a restart the latest ones again, for whoever missed them."""

    @classmethod
    def restore(cls, market: str, state: bytes) -> "View":
        return cls(market, _decoder.decode(state))

    def snapshot(self) -> bytes:
        return _encoder.encode(
            Snapshot(
                self.seq, self.source_offset, self.chain, self.time_ms, self.whole, self.opened,
                list(self.depth.bids), list(self.depth.asks), self.window.last_ticks, self.window.minutes,
                list(self.recent),
            )
        )  # fmt: skip

    def apply(self, execution: ChainedExecution) -> None:
        """The next execution; whether it is the next one is the caller's to know."""
        self.seq, self.source_offset, self.chain = execution.seq, execution.offset, execution.chain
        self.time_ms, self.whole = execution.time_ms, execution.last
        for event in execution.events:
            self._see(event)

    def _see(self, event: Event) -> None:
        match event:
            case Rested():
                self.depth.add(event.side, event.price_ticks, event.lots)
            case Traded():
                self.depth.take("sell" if event.taker_side == "buy" else "buy", event.price_ticks, event.lots)
                self.window.traded(self.time_ms, event.price_ticks, event.base_atoms, event.quote_atoms)
                self._remember("book", event.trade_seq, event.price_ticks, event.lots, event.taker_side)
            case HouseFilled():
                self._remember("house", event.trade_seq, event.price_ticks, event.lots, "buy")
            case Canceled() | Reduced():
                self.depth.take(event.side, event.price_ticks, event.lots)
            case Expired() if event.was_resting:
                self.depth.take(event.side, event.price_ticks, event.lots or 0)
            case MarketOpened():
                self.opened, self.units = event, _units(event)
            case _:
                pass

    def _remember(self, kind: str, trade_seq: int, price_ticks: int, lots: int, taker_side: str) -> None:
        trade = SeenTrade(trade_seq, self.seq, kind, price_ticks, lots, taker_side, self.time_ms)
        self.recent.append(trade)
        self.untold.append(trade)

    def trades_to_tell(self) -> Sequence[SeenTrade]:
        """What was not told yet; from now on it is."""
        told = tuple(self.untold)
        self.untold.clear()
        return told


def _units(opened: MarketOpened) -> MarketUnits:
    return market_units(opened.tick_size, opened.lot_size, opened.base_scale, opened.quote_scale)
