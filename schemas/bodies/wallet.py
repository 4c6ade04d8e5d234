"""Money as clients move it and see it."""

from typing import Literal

from schemas.bodies.fields import Answer, AssetCode, Body, DecimalText, Moment, PositiveNumber


class Move(Body):
    amount: PositiveNumber
    asset: AssetCode = "USD"


class Holding(Answer):
    asset: str
    available: DecimalText
    held: DecimalText
    pending: DecimalText


class Wallet(Answer):
    balance: DecimalText
    currency: Literal["USD"] = "USD"
    held: DecimalText
    assets: list[Holding]


TransactionType = Literal["deposit", "withdrawal", "purchase", "refund", "trade", "fee", "adjustment"]


class Transaction(Answer):
    id: int
    type: TransactionType
    asset: str
    amount: DecimalText
    order_id: int | None
    created_at: Moment
