"""Cuts lists into pages: one row more than asked for tells whether there is a next page."""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from ledger.batch_reads import Place
from ledger.reads import NEWEST
from schemas import times
from schemas.bodies.pages import PageQuery
from schemas.errors import INVALID_FIELD, Refusal

FORM = struct.Struct(">2sq")
KIND = b"t1"
PLACE = b"p1"
R = TypeVar("R")


def before(query: PageQuery) -> int:
    """The id before which this page begins."""
    if query.cursor is None:
        return NEWEST
    last_id, rest = _read(query.cursor, KIND)
    return last_id if last_id > 0 and not rest else _refuse()


def before_place(query: PageQuery) -> Place | None:
    """The same of a list in order of time, whose ids are text."""
    if query.cursor is None:
        return None
    at_ms, batch_id = _read(query.cursor, PLACE)
    return Place(times.from_epoch_ms(at_ms), batch_id) if 0 < at_ms < 1 << 45 and batch_id.isprintable() else _refuse()


def page(
    query: PageQuery, rows: Sequence[R], identify: Callable[[R], int | Place], show: Callable[[R], Any]
) -> dict[str, Any]:
    """The rows that were asked for, and the cursor of the next page if one more came."""
    shown = rows[: query.limit]
    following = _write(identify(shown[-1])) if len(rows) > query.limit else None
    return {"results": [show(row) for row in shown], "next": following}


def _write(last: int | Place) -> str:
    if isinstance(last, Place):
        raw = FORM.pack(PLACE, times.epoch_ms(last.created_at)) + last.id.encode()
    else:
        raw = FORM.pack(KIND, last)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read(cursor: str, kind: bytes) -> tuple[int, str]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found, number = FORM.unpack(raw[: FORM.size])
        rest = raw[FORM.size :].decode("ascii")
    except (ValueError, binascii.Error, struct.error):
        _refuse()
    return (int(number), rest) if found == kind else _refuse()


def _refuse() -> NoReturn:
    raise Refusal(INVALID_FIELD, "cursor must be the next of an earlier page.", "cursor")
