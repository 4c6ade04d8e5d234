import pytest

from schemas.views import HEAD_BYTES, Book, encode_view, seq_of


def test_the_first_bytes_of_a_book_tell_its_seq_and_its_checksum():
    levels = [(f"{number}.00", "1") for number in range(1000)]
    data = encode_view(Book("A" * 16 + "-" + "B" * 16, (1 << 63) - 1, "2026-01-31T12:00:00.000Z", 7, levels, []))
    head = data[:HEAD_BYTES]
    assert seq_of(head) == (1 << 63) - 1
    assert b'"checksum":7,' in head


@pytest.mark.parametrize("head", [b"", b"{}", b'{"market":"M","seq":', b'{"market":"M","seq":"5",', b'{"seq":5,'])
def test_what_is_no_book_has_no_seq(head: bytes):
    assert seq_of(head) == -1
