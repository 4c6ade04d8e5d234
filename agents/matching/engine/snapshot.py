"""A market as bytes and back. The same state gives the same bytes, however it came about.

    magic, format version | length, header as sorted JSON | window bits | rows of the bids, rows of the asks

Rows stand best price first and oldest first, one fixed-size row for each order. Orders keep their rows, so a snapshot
joins them and encodes only what came or changed since the one before. Whether bytes are whole is for checksums outside.
"""

import dataclasses
import json
import struct
from typing import Any, Final

from agents.matching.engine.book import Book, Order, Side
from agents.matching.engine.state import State
from agents.matching.engine.terms import Terms
from agents.matching.engine.window import SPAN, Window

FORMAT_VERSION: Final = 1
_MAGIC: Final = b"TMBK"
_PREFIX: Final = struct.Struct("<4sHI")
_ROW: Final = struct.Struct("<5q")
_pack_row = _ROW.pack  # id, user, price, lots left, lots in total


class UnreadableSnapshotError(Exception):
    """These bytes are not a snapshot that this release can read. Use the other slot, or re-execute from the log."""


def encode(symbol: str, state: State | None) -> bytes:
    """The whole market in one synchronous pass; of one that never opened, its name alone."""
    if state is None:
        return _head({"symbol": symbol, "open": False})
    bids, asks = _rows(state.book.bids), _rows(state.book.asks)
    head = _head(
        {
            "symbol": symbol,
            "open": True,
            "terms": dataclasses.asdict(state.terms),
            "now_ms": state.now_ms,
            "trade_seq": state.trade_seq,
            "last_price_ticks": state.last_price_ticks,
            "house_price_ticks": state.house_price_ticks,
            "highest_number": state.window.highest,
            "bids": len(bids),
            "asks": len(asks),
        }
    )
    return b"".join((head, state.window.bits, *bids, *asks))


def decode(data: bytes) -> tuple[str, State | None]:
    """The market's name, and its state if it was open."""
    if len(data) < _PREFIX.size:
        raise UnreadableSnapshotError("too short for a snapshot")
    magic, version, header_size = _PREFIX.unpack_from(data)
    if magic != _MAGIC or version != FORMAT_VERSION:
        raise UnreadableSnapshotError(f"not a snapshot of format {FORMAT_VERSION}")
    window_at = _PREFIX.size + header_size
    rows_at = window_at + SPAN // 8
    try:
        header: dict[str, Any] = json.loads(data[_PREFIX.size : window_at])
        symbol = header["symbol"]
        if not header["open"]:
            return symbol, None
        state = _state(header, data[window_at:rows_at])
        bids_size, asks_size = header["bids"] * _ROW.size, header["asks"] * _ROW.size
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableSnapshotError(f"the header does not read: {error}") from error
    if len(data) != rows_at + bids_size + asks_size:
        raise UnreadableSnapshotError("the length does not fit the number of orders")
    _restore(state.book, state.book.bids, data[rows_at : rows_at + bids_size])
    _restore(state.book, state.book.asks, data[rows_at + bids_size :])
    return symbol, state


def _head(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return _PREFIX.pack(_MAGIC, FORMAT_VERSION, len(text)) + text


def _rows(side: Side) -> list[bytes]:
    rows: list[bytes] = []
    add = rows.append
    for level in side:
        order = level.first
        while order is not None:
            add(order.row or _packed(order))
            order = order.behind
    return rows


def _packed(order: Order) -> bytes:
    order.row = _pack_row(order.order_id, order.user_id, order.level.price, order.lots, order.total)
    return order.row


def _state(header: dict[str, Any], bits: bytes) -> State:
    state = State(Terms(**header["terms"]), header["now_ms"])
    state.trade_seq = header["trade_seq"]
    state.last_price_ticks = header["last_price_ticks"]
    state.house_price_ticks = header["house_price_ticks"]
    state.window = Window(header["highest_number"], bits)
    state.measure_band()
    return state


def _restore(book: Book, side: Side, rows: bytes) -> None:
    for start, (order_id, user_id, price, lots, total) in enumerate(_ROW.iter_unpack(rows)):
        order = book.rest(side, price, order_id, user_id, lots, total)
        order.row = rows[start * _ROW.size : (start + 1) * _ROW.size]
