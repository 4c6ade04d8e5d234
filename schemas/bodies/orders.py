"""Orders as clients give and see them. What contradicts itself is refused here; what a market forbids, at the door."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from schemas.bodies.fields import (
    Answer,
    AssetCode,
    Body,
    ClientOrderId,
    DecimalText,
    MarketSymbol,
    Moment,
    PositiveNumber,
    Query,
    about,
)
from schemas.bodies.pages import PageQuery

Side = Literal["buy", "sell"]
Kind = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "fok"]
SelfTrade = Literal["expire_taker", "expire_maker", "expire_both"]
State = Literal["pending", "open", "partially_filled", "filled", "canceled", "rejected", "expired"]
PurchaseState = Literal["pending", "aggregated", "sent", "completed", "refunded", "rejected"]
AnyState = Literal[
    "pending", "open", "partially_filled", "filled", "canceled", "rejected", "expired",
    "aggregated", "sent", "completed", "refunded",
]  # fmt: skip
MAX_BATCH = 50


class NewExchangeOrder(Body):
    """An order in a market's book."""

    market: MarketSymbol
    side: Side
    type: Kind = "limit"
    amount: PositiveNumber | None = None
    price: PositiveNumber | None = None
    quote_amount: PositiveNumber | None = None
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    self_trade: SelfTrade = "expire_taker"
    client_order_id: ClientOrderId | None = None
    customer_id: PositiveInt | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "NewExchangeOrder":
        if self.type == "limit":
            self._check_limit()
        else:
            self._check_market()
        return self

    def _check_limit(self) -> None:
        for field in ("price", "amount"):
            if getattr(self, field) is None:
                raise about(field, "is required for a limit order.", missing=True)
        if self.quote_amount is not None:
            raise about("quote_amount", "is for market orders; a limit order has price and amount.")
        if self.post_only and self.time_in_force != "gtc":
            raise about("post_only", "only goes with time_in_force gtc, since such an order must be able to rest.")

    def _check_market(self) -> None:
        if self.price is not None:
            raise about("price", "is for limit orders; a market order takes what there is.")
        if self.post_only:
            raise about("post_only", "is for limit orders, since a market order never rests.")
        if self.quote_amount is not None and self.side == "sell":
            raise about("quote_amount", "is for market buys; a sell has an amount.")
        if (self.amount is None) == (self.quote_amount is None):
            choice = "exactly one of amount and quote_amount" if self.side == "buy" else "an amount"
            raise about("amount", f"must be right: a market {self.side} takes {choice}.", missing=self.amount is None)


class NewPurchase(Body):
    """A purchase from the house at its listed price."""

    crypto: AssetCode
    amount: PositiveNumber
    client_order_id: ClientOrderId | None = None
    customer_id: PositiveInt | None = None


class NewOrders(Body):
    """Several orders, each with an outcome of its own."""

    orders: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]


class Reduction(Body):
    """The new, smaller total quantity."""

    amount: PositiveNumber


class PlaceQuery(Query):
    wait: Literal["settled", "none"] = "settled"


class OrdersQuery(PageQuery):
    """Which of one's own orders."""

    market: MarketSymbol | None = None
    state: AnyState | None = None
    open: bool | None = None


class CancelAllQuery(Query):
    market: MarketSymbol | None = None


class FillsQuery(PageQuery):
    """Which of one's own fills."""

    market: MarketSymbol | None = None
    order_id: Annotated[int | None, Field(ge=1, le=(1 << 63) - 1)] = None


class OrderFill(Answer):
    trade_id: str
    price: DecimalText
    amount: DecimalText
    fee: DecimalText
    fee_asset: str
    maker: bool


class Fill(OrderFill):
    market: str
    order_id: int
    side: Side
    at: Moment


class ExchangeOrder(Answer):
    id: int
    market: str
    side: Side
    type: Kind
    price: DecimalText | None
    amount: DecimalText | None
    filled: DecimalText
    remaining: DecimalText | None
    average_price: DecimalText | None
    state: State
    reason: str | None
    seq: int | None
    fills: list[OrderFill]
    client_order_id: str
    command_id: int
    created_at: Moment
    updated_at: Moment


class Purchase(Answer):
    id: int
    crypto: str
    amount: DecimalText
    price: DecimalText
    total_price: DecimalText
    state: PurchaseState
    reason: str | None
    is_aggregated: bool
    batch_id: str | None
    seq: int | None
    client_order_id: str
    command_id: int
    created_at: Moment
    updated_at: Moment


class Nothing(Answer):
    """An empty object: nothing is wrong."""


class Canceled(Answer):
    results: list[ExchangeOrder]


class BatchOutcome(Answer):
    """201 or 202 with the order, or the error with its status."""

    status: int
    order: ExchangeOrder | Purchase | None = None
    error: dict[str, Any] | None = None


class BatchOutcomes(Answer):
    results: list[BatchOutcome]
