"""Candles: the intervals that there are, and one candle in whole numbers."""

from collections.abc import Mapping

import msgspec

INTERVALS: Mapping[str, int] = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400}
"""Names and seconds. They begin at whole multiples of their length since 1970, so days begin at midnight UTC."""
NAMES: Mapping[int, str] = {seconds: name for name, seconds in INTERVALS.items()}


class Candle(msgspec.Struct, frozen=True, gc=False):
    """The trades of the book in one stretch of time; there is no candle where nothing traded."""

    market: str
    interval_s: int
    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    trades: int
