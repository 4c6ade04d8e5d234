"""What the health calls and the clock answer."""

from schemas.bodies.fields import Answer, Moment


class Live(Answer):
    live: bool


class Ready(Answer):
    ready: bool
    parts: dict[str, str | None]


class Time(Answer):
    time: Moment
    epoch_ms: int
