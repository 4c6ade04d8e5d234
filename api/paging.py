"""Cuts lists into pages: one row more than asked for tells whether there is a next page."""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ledger.reads import NEWEST
from schemas.bodies.pages import PageQuery
from schemas.errors import INVALID_FIELD, Refusal

FORM = struct.Struct(">2sq")
KIND = b"t1"
R = TypeVar("R")


def before(query: PageQuery) -> int:
    """The id before which this page begins."""
    return NEWEST if query.cursor is None else _read(query.cursor)


def page(query: PageQuery, rows: Sequence[R], identify: Callable[[R], int], show: Callable[[R], Any]) -> dict[str, Any]:
    """The rows that were asked for, and the cursor of the next page if one more came."""
    shown = rows[: query.limit]
    following = _write(identify(shown[-1])) if len(rows) > query.limit else None
    return {"results": [show(row) for row in shown], "next": following}


def _write(last_id: int) -> str:
    return base64.urlsafe_b64encode(FORM.pack(KIND, last_id)).rstrip(b"=").decode()


def _read(cursor: str) -> int:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        kind, last_id = FORM.unpack(raw)
    except (ValueError, binascii.Error, struct.error):
        kind, last_id = b"", 0
    if kind != KIND or last_id < 1:
        raise Refusal(INVALID_FIELD, "cursor must be the next of an earlier page.", "cursor")
    return int(last_id)
