"""Times as clients read them: RFC 3339 in UTC with milliseconds, cut and never rounded up into the future."""

import datetime

UTC = datetime.UTC


def text(moment: datetime.datetime) -> str:
    """`2026-01-31T23:59:59.999Z`; a moment without a zone is a mistake of the caller."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone has no place in an answer")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def epoch_ms(moment: datetime.datetime) -> int:
    """The way back, cut to the millisecond."""
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(milliseconds=1)


def from_epoch_ms(epoch_ms: int) -> datetime.datetime:
    """The moment that many milliseconds after 1970, exactly: no float on the way."""
    return datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(milliseconds=epoch_ms)
