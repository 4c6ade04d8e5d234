"""What became of a command, as a client asks for it."""

from typing import Literal

from schemas.bodies.fields import Answer
from schemas.bodies.markets import JournalPlace


class Command(Answer):
    id: int
    kind: str
    state: Literal["pending", "decided"]
    outcome: str | None
    order_id: int | None
    journal: JournalPlace | None
