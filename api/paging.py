"""Lists in pages: newest first, and an opaque cursor that says where the next page begins."""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from ledger.reads import NEWEST
from schemas.bodies.fields import Answer, Query
from schemas.errors import INVALID_FIELD, Refusal

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
FORM = struct.Struct(">2sq")
KIND = b"t1"

A = TypeVar("A", bound=Answer)
R = TypeVar("R")


class PageQuery(Query):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=64)] = None

    @property
    def before(self) -> int:
        """The id before which this page begins."""
        return NEWEST if self.cursor is None else _read(self.cursor)


class Page(Answer, Generic[A]):
    results: list[A]
    next: str | None


def page(query: PageQuery, rows: Sequence[R], identify: Callable[[R], int], show: Callable[[R], A]) -> dict[str, Any]:
    """The page of rows, of which one more than the limit was asked for: if it came, there is a next page."""
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
