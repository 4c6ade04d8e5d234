from agents.marketdata.window import MINUTE_MS, WINDOW_MS, Minute, Summary, Window

NOON = 1_700_000_040_000


def test_trades_of_one_minute_are_one_row():
    window = Window()
    for price in (100, 120, 90, 110):
        window.traded(NOON + price, price, 2, 3)
    assert window.minutes == [Minute(NOON, 100, 120, 90, 110, 8, 12)]
    assert window.summary(NOON) == Summary(100, 120, 90, 8, 12)


def test_a_minute_leaves_a_day_after_it_began_and_the_last_price_stays():
    window = Window()
    window.traded(NOON, 100, 1, 1)
    window.traded(NOON + MINUTE_MS, 120, 1, 1)
    seen = [window.summary(NOON + time_ms) for time_ms in (WINDOW_MS - 1, WINDOW_MS, 2 * WINDOW_MS)]
    assert seen == [Summary(100, 120, 100, 2, 2), Summary(120, 120, 120, 1, 1), Summary()]
    assert window.last_ticks == 120


def test_it_says_when_it_will_say_something_else():
    window = Window()
    assert window.ends_ms(NOON) is None
    window.traded(NOON, 100, 1, 1)
    window.traded(NOON + MINUTE_MS, 120, 1, 1)
    ends = [window.ends_ms(NOON + time_ms) for time_ms in (MINUTE_MS, WINDOW_MS, WINDOW_MS + MINUTE_MS)]
    assert ends == [NOON + WINDOW_MS, NOON + MINUTE_MS + WINDOW_MS, None]


def test_a_trade_lets_old_ones_go_and_asking_does_not():
    window = Window()
    window.traded(NOON, 100, 1, 1)
    assert (window.summary(NOON + WINDOW_MS), len(window.minutes)) == (Summary(), 1)
    window.traded(NOON + WINDOW_MS, 120, 5, 7)
    assert window.minutes == [Minute(NOON + WINDOW_MS, 120, 120, 120, 120, 5, 7)]
