"""What trades add to the candles of every interval. Only trades of the book count; sales of the house do not."""

from collections.abc import Iterable, Mapping

from schemas.candles import INTERVALS, Candle
from schemas.money import MarketUnits
from schemas.trades import Trade


def fold(trades: Iterable[Trade], units: Mapping[str, MarketUnits]) -> list[Candle]:
    """One candle for each market, interval and stretch of time that the trades touch; they come in order."""
    found: dict[tuple[str, int, int], Candle] = {}
    for trade in trades:
        if trade.kind != "book":
            continue
        ticks, lots = units[trade.market].ticks(trade.price), units[trade.market].lots(trade.amount)
        for seconds in INTERVALS.values():
            key = (trade.market, seconds, trade.time_ms - trade.time_ms % (seconds * 1000))
            found[key] = _grown(found[key], ticks, lots) if key in found else Candle(*key, *(ticks,) * 4, lots, 1)
    return list(found.values())


def _grown(candle: Candle, ticks: int, lots: int) -> Candle:
    return Candle(
        candle.market, candle.interval_s, candle.open_ms, candle.open_ticks,
        max(candle.high_ticks, ticks), min(candle.low_ticks, ticks), ticks, candle.lots + lots, candle.trades + 1,
    )  # fmt: skip
