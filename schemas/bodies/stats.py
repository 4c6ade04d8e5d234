"""A user's own activity, counted."""

from schemas.bodies.fields import Answer, DecimalText


class Activity(Answer):
    """Counts, and what was paid or received for it per quote asset."""

    orders: int
    purchases: int
    trades: int
    order_volume: dict[str, DecimalText]
    purchase_volume: dict[str, DecimalText]
    trade_volume: dict[str, DecimalText]


class Day(Activity):
    date: str


class Stats(Answer):
    total: Activity
    days: list[Day]
