import pytest

from schemas.candles import Candle
from schemas.money import market_units
from schemas.views import HEAD_BYTES, Book, CandleView, candle_view, checksum_of, encode_view, seq_of


def test_the_first_bytes_of_a_book_tell_its_seq_and_its_checksum():
    levels = [(f"{number}.00", "1") for number in range(1000)]
    data = encode_view(Book("A" * 16 + "-" + "B" * 16, (1 << 63) - 1, "2026-01-31T12:00:00.000Z", 7, levels, []))
    head = data[:HEAD_BYTES]
    assert seq_of(head) == (1 << 63) - 1
    assert checksum_of(head) == 7


@pytest.mark.parametrize("head", [b"", b"{}", b'{"market":"M","seq":', b'{"market":"M","seq":"5",', b'{"seq":5,'])
def test_what_is_no_book_has_no_seq(head: bytes):
    assert (seq_of(head), checksum_of(head)) == (-1, -1)


def test_a_candle_is_shown_in_decimals():
    candle = Candle("M", 60, 1_700_006_400_000, 100, 300, 50, 250, 70_000, 3)
    assert candle_view(candle, market_units("0.01", "0.0001", 8, 8)) == CandleView(
        "M", "1m", "2023-11-15T00:00:00.000Z", "1.00", "3.00", "0.50", "2.50", "7", 3
    )
