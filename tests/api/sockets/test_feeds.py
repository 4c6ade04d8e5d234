import msgspec
import pytest

from api.sockets.feeds import CANDLES, PATIENCE, CandleFeed, TickerFeed
from schemas.views import CandleView, Ticker, encode_view
from tests.api.sockets.reading import told


def ticker(seq: int, last: str = "1.00") -> bytes:
    return encode_view(Ticker("M-N", seq, last, last, last, last, "1", "1.00", "0", None, None))


def candle(minute: int, trades: int) -> CandleView:
    opened = f"2026-01-31T12:{minute:02}:00.000Z"
    return CandleView("M-N", "1m", opened, "1.00", "1.00", "1.00", "1.00", str(trades), trades)


@pytest.fixture
def tickers() -> TickerFeed:
    return TickerFeed("ticker:M-N")


@pytest.fixture
def candles() -> CandleFeed:
    return CandleFeed("candles:M-N:1m")


def test_a_ticker_is_told_when_it_is_another_one(tickers: TickerFeed):
    assert not tickers.is_ready
    assert told(tickers.hear(ticker(5))) == [("event", msgspec.json.decode(ticker(5)))]
    assert (tickers.hear(ticker(5)), tickers.hear(ticker(4)), tickers.hear(b"nonsense")) == ((), (), ())
    assert told(tickers.hear(ticker(5, "2.00")))[0][1]["last"] == "2.00", "a day has passed"
    assert told(tickers.greet(None)) == [("snapshot", msgspec.json.decode(ticker(5, "2.00")))]


def test_a_ticker_that_was_not_heard_is_found_by_looking(tickers: TickerFeed):
    assert (tickers.look(None), tickers.look(b"nonsense"), tickers.is_ready) == ((), (), False)
    assert told(tickers.look(ticker(5)))[0][1]["seq"] == 5
    assert (tickers.look(ticker(5)), tickers.look(None)) == ((), ())
    assert told(tickers.look(ticker(6)))[0][1]["seq"] == 6


def test_an_older_ticker_is_believed_only_when_it_stays(tickers: TickerFeed):
    tickers.hear(ticker(50))
    looks = [tickers.look(ticker(3)) for _ in range(PATIENCE)]
    assert [len(frames) for frames in looks] == [0] * (PATIENCE - 1) + [1]
    assert told(tickers.hear(ticker(4)))[0][1]["seq"] == 4


def test_a_candle_is_told_whenever_it_has_grown(candles: CandleFeed):
    one, two = encode_view(candle(1, 1)), encode_view(candle(1, 2))
    assert [len(candles.hear(message)) for message in (one, one, two, one, b"nonsense")] == [1, 0, 1, 0, 0]
    assert told(candles.greet(None)) == [("snapshot", msgspec.json.decode(two))]


def test_a_run_may_end_one_candle_and_begin_the_next(candles: CandleFeed):
    for minute, trades in ((1, 1), (2, 1), (1, 2)):
        assert len(candles.hear(encode_view(candle(minute, trades)))) == 1
    assert told(candles.greet(None))[0][1]["trades"] == 1, "the newest, not the last told"


def test_candles_long_past_are_not_told_again(candles: CandleFeed):
    for minute in range(CANDLES + 2):
        candles.hear(encode_view(candle(minute, 7)))
    assert candles.hear(encode_view(candle(0, 8))) == ()


def test_candles_are_ready_when_the_books_were_asked_though_there_are_none(candles: CandleFeed):
    assert not candles.is_ready
    assert (candles.look([]), candles.is_ready, candles.greet(None)) == ([], True, ())
    assert len(candles.look([candle(1, 1)])) == 1
    assert candles.look([candle(1, 1)]) == []
