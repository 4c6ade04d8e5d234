"""Lists come in pages, newest first; the cursor is opaque."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from schemas.bodies.fields import Answer, Query

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
A = TypeVar("A")


class PageQuery(Query):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=64)] = None


class Page(Answer, Generic[A]):
    results: list[A]
    next: str | None
