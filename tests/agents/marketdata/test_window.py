from agents.marketdata.window import MINUTE_MS, WINDOW_MS, Minute, Summary, Window

NOON = 1_700_000_040_000


def test_trades_of_one_minute_are_one_row():
    window = Window()
    for price in (100, 120, 90, 110):
        window.traded(NOON + price, price, 2, 3)
    assert window.minutes == [Minute(NOON, 100, 120, 90, 110, 8, 12)]
    assert window.summary() == Summary(100, 120, 90, 8, 12)


def test_a_minute_leaves_a_day_after_it_began_and_the_last_price_stays():
    window = Window()
    window.traded(NOON, 100, 1, 1)
    window.traded(NOON + MINUTE_MS, 120, 1, 1)
    assert window.roll(NOON + WINDOW_MS - 1) is False
    assert window.roll(NOON + WINDOW_MS) is True
    assert window.summary() == Summary(120, 120, 120, 1, 1)
    assert window.roll(NOON + 2 * WINDOW_MS) is True
    assert (window.summary(), window.last_ticks) == (Summary(), 120)


def test_a_trade_lets_old_ones_go():
    window = Window()
    window.traded(NOON, 100, 1, 1)
    window.traded(NOON + WINDOW_MS, 120, 5, 7)
    assert window.summary() == Summary(120, 120, 120, 5, 7)
