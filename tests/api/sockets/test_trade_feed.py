import pytest

from api.sockets.trade_feed import KEPT, MOST_EARLY, TradeFeed
from schemas.views import PublicTrade, encode_view
from tests.api.sockets.reading import told

CHANNEL = "trades:M-N"


def trade(number: int) -> PublicTrade:
    return PublicTrade(f"M-N-{number}", number, number + 5, "book", "1.00", "2", "buy", "2026-01-31T12:00:00.000Z")


def trades(*numbers: int) -> list[PublicTrade]:
    return [trade(number) for number in numbers]


def message(*numbers: int) -> bytes:
    return encode_view(trades(*numbers))


def numbers(frames) -> list[int]:
    return [data["trade_seq"] for kind, data in told(frames) if kind == "event"]


@pytest.fixture
def feed() -> TradeFeed:
    feed = TradeFeed(CHANNEL)
    feed.begin(trades(1, 2, 3))
    return feed


def test_each_trade_is_told_by_itself(feed: TradeFeed):
    assert told(feed.hear(message(4, 5))) == [
        ("event", {"trade_id": f"M-N-{number}", "trade_seq": number, "seq": number + 5, "kind": "book",
                   "price": "1.00", "amount": "2", "taker_side": "buy", "at": "2026-01-31T12:00:00.000Z"})
        for number in (4, 5)
    ]  # fmt: skip


def test_repeats_are_told_once(feed: TradeFeed):
    assert numbers(feed.hear(message(2, 3, 4))) == [4]
    assert numbers(feed.hear(message(3, 4))) == []
    assert feed.wants_after is None, "nothing waits for anything"


def test_what_was_heard_before_the_books_were_read_comes_behind_them():
    feed = TradeFeed(CHANNEL)
    assert (feed.is_ready, feed.hear(message(2, 3, 4, 5))) == (False, [])
    assert numbers(feed.begin(trades(1, 2, 3))) == [4, 5]
    assert feed.is_ready


def test_a_market_without_trades_begins_with_the_first():
    feed = TradeFeed(CHANNEL)
    feed.begin([])
    assert numbers(feed.hear(message(1))) == [1]


def test_a_gap_is_filled_from_the_books_and_nothing_overtakes(feed: TradeFeed):
    assert numbers(feed.hear(message(7, 8))) == []
    assert feed.wants_after == 3
    assert numbers(feed.see(trades(4, 5))) == [4, 5], "the books have no more yet"
    assert feed.wants_after == 5
    assert numbers(feed.see(trades(6, 7))) == [6, 7, 8]
    assert feed.wants_after is None


def test_the_last_trade_that_was_not_heard_is_found_by_looking(feed: TradeFeed):
    feed.look(4)
    assert feed.wants_after is None, "it may be on the way"
    feed.look(4)
    assert feed.wants_after == 3
    assert numbers(feed.see(trades(4))) == [4]
    feed.look(4)
    feed.look(3)
    feed.look(3)
    assert feed.wants_after is None, "books that are behind miss nothing"


def test_more_than_can_wait_is_left_to_the_books(feed: TradeFeed):
    feed.hear(message(*range(5, MOST_EARLY + 10)))
    assert numbers(feed.hear(message(MOST_EARLY + 10))) == []
    assert feed.wants_after == 3
    assert numbers(feed.see(trades(4, 5, 6))) == [4, 5, 6]


def test_who_comes_back_gets_what_he_missed(feed: TradeFeed):
    feed.hear(message(4, 5))
    assert [numbers(feed.greet(since)) for since in (None, 0, 3, 4, 5, 9)] == [[], [1, 2, 3, 4, 5], [4, 5], [5], [], []]


def test_who_was_away_too_long_is_told_so():
    feed = TradeFeed(CHANNEL)
    feed.begin(trades(*range(10, 10 + KEPT)))
    assert len(numbers(feed.greet(9))) == KEPT
    ((kind, said),) = told(feed.greet(8))
    assert (kind, said["code"], said["channels"]) == ("error", "resume_too_old", [CHANNEL])


def test_nonsense_is_not_heard(feed: TradeFeed):
    assert (feed.hear(b""), feed.hear(b"{}"), feed.hear(b"[1]")) == ((), (), ())
