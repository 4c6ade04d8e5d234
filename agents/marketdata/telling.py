"""A market's view in the words that others read: ticks, lots and atoms become decimal text here, and nowhere else."""

import itertools
from collections.abc import Iterable

from agents.marketdata.view import View
from schemas.checksum import LEVELS, checksum
from schemas.money import MarketUnits, money_text, quantity_text, ratio_text
from schemas.times import from_epoch_ms, text
from schemas.views import Book, Delta, Level, PublicTrade, Ticker


def book(view: View) -> Book:
    """The whole book."""
    units = _units(view)
    bids, asks = _levels(units, view.depth.bids), _levels(units, view.depth.asks)
    return Book(view.market, view.seq, text(from_epoch_ms(view.time_ms)), checksum(bids, asks), bids, asks)


def delta(view: View) -> Delta:
    """What changed since the last delta; from now on it is told."""
    units = _units(view)
    first, view.told_seq = view.told_seq + 1, view.seq
    bids, asks = view.depth.changes()
    top = (_levels(units, itertools.islice(side, LEVELS)) for side in (view.depth.bids, view.depth.asks))
    return Delta(
        view.market, first, view.seq, text(from_epoch_ms(view.time_ms)), checksum(*top),
        _levels(units, bids), _levels(units, asks),
    )  # fmt: skip


def trades(view: View) -> list[PublicTrade]:
    """The trades that were not told yet, oldest first."""
    units = _units(view)
    return [
        PublicTrade(
            trade_id=f"{view.market}-{trade.trade_seq}",
            trade_seq=trade.trade_seq,
            seq=trade.seq,
            kind=trade.kind,
            price=units.price_text(trade.price_ticks),
            amount=units.lots_text(trade.lots),
            taker_side=trade.taker_side,
            at=text(from_epoch_ms(trade.time_ms)),
        )
        for trade in view.trades_to_tell()
    ]


def ticker(view: View, now_ms: int) -> Ticker:
    """The 24 hours before this moment."""
    units, summary, last = _units(view), view.window.summary(now_ms), view.window.last_ticks
    change = None
    if summary.open is not None and last is not None:
        change = ratio_text((last - summary.open) * 100, summary.open, 2)
    return Ticker(
        market=view.market,
        seq=view.seq,
        last=_price(units, last),
        open=_price(units, summary.open),
        high=_price(units, summary.high),
        low=_price(units, summary.low),
        volume=quantity_text(summary.base_atoms, units.base_scale),
        quote_volume=money_text(summary.quote_atoms, units.quote_scale),
        change_percent=change,
        bid=_price(units, view.depth.bids.best()),
        ask=_price(units, view.depth.asks.best()),
    )


def _levels(units: MarketUnits, levels: Iterable[tuple[int, int]]) -> list[Level]:
    return [(units.price_text(price), units.lots_text(lots)) for price, lots in levels]


def _price(units: MarketUnits, ticks: int | None) -> str | None:
    return None if ticks is None else units.price_text(ticks)


def _units(view: View) -> MarketUnits:
    assert view.units is not None, f"{view.market} has never opened"
    return view.units
