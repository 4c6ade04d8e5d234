"""The envelope of every error, for the documents; the words in it come from `schemas/errors.py`."""

from typing import Literal

from schemas.bodies.fields import Answer


class ErrorDetail(Answer):
    code: str
    message: str
    field: str | None
    request_id: str


class Error(Answer):
    """Beside the error may stand an order, or the command whose outcome is unknown."""

    error: ErrorDetail
    order: dict[str, object] | None = None
    outcome: Literal["unknown"] | None = None
    command_id: int | None = None
