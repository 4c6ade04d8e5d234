from agents.marketdata.candles.fold import fold
from schemas.candles import INTERVALS, Candle
from schemas.money import market_units
from schemas.trades import Trade

UNITS = {"M": market_units("0.01", "0.0001", 8, 8)}
MIDNIGHT = 1_700_006_400_000


def trade(trade_seq: int, time_ms: int, price: str, amount: str, kind: str = "book") -> Trade:
    return Trade("M", trade_seq, f"M-{trade_seq}", price, amount, "1.00", "buy", kind, time_ms, 0, trade_seq)  # type: ignore[arg-type]  # a test may say any kind


def test_trades_are_added_up_for_every_interval():
    trades = [
        trade(1, MIDNIGHT + 10, "1.00", "0.0002"),
        trade(2, MIDNIGHT + 20, "3.00", "0.0001"),
        trade(3, MIDNIGHT + 1500, "0.50", "0.0004"),
    ]
    whole = {
        seconds: Candle("M", seconds, MIDNIGHT, 100, 300, 50, 50, 7, 3) for seconds in INTERVALS.values() if seconds > 1
    }
    assert fold(trades, UNITS) == [
        Candle("M", 1, MIDNIGHT, 100, 300, 100, 300, 3, 2),
        *whole.values(),
        Candle("M", 1, MIDNIGHT + 1000, 50, 50, 50, 50, 4, 1),
    ]


def test_a_new_minute_is_a_new_candle_of_the_same_day():
    found = fold([trade(1, MIDNIGHT, "1", "1"), trade(2, MIDNIGHT + 60_000, "2", "1")], UNITS)
    opened = [(candle.interval_s, candle.open_ms - MIDNIGHT) for candle in found]
    assert opened == [
        (1, 0), (60, 0), (300, 0), (900, 0), (3600, 0), (14400, 0), (86400, 0), (1, 60_000), (60, 60_000)
    ]  # fmt: skip


def test_what_the_house_sells_is_in_no_candle():
    assert fold([trade(1, MIDNIGHT, "1", "1", "house")], UNITS) == []
