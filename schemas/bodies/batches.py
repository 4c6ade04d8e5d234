"""Batches of purchases at the outside exchange, as operators see them."""

from typing import Literal

from schemas.bodies.fields import Answer, DecimalText, Moment

BatchState = Literal["open", "closed", "sending", "filled", "failed"]


class Batch(Answer):
    """`amount` is what the exchange is asked for, `notional` what that was worth when the house sold it; both with what
    the house added to reach the threshold, `topped_up`.

    The house's account comes with the exchange's word: what it charged, what the delivered purchases had paid, and the
    house's gain or loss, all in the asset charged; what was bought, and what of it was delivered or is inventory."""

    id: str
    crypto: str
    market: str
    amount: DecimalText
    notional: DecimalText
    topped_up: DecimalText
    state: BatchState
    orders: list[int]
    attempts: int
    last_error: str | None
    resolved_by: str | None
    exchange_order_id: str | None
    charged: DecimalText | None
    charged_asset: str | None
    paid: DecimalText | None
    gain: DecimalText | None
    bought: DecimalText | None
    delivered: DecimalText | None
    inventory: DecimalText | None
    created_at: Moment
    closed_at: Moment | None
    settled_at: Moment | None
