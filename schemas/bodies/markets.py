"""Currencies and markets as clients see and admins make them."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.bodies.fields import (
    Answer,
    AssetCode,
    Body,
    DecimalText,
    MarketSymbol,
    NotNegativeNumber,
    PositiveNumber,
    PrintedText,
    Query,
)

Bps = Annotated[int, Field(ge=0, le=10_000)]
Status = Literal["open", "post_only", "cancel_only", "halted"]


class NewCurrency(Body):
    code: AssetCode
    name: PrintedText
    scale: Annotated[int, Field(ge=0, le=8)]


class Currency(Answer):
    code: str
    name: str
    scale: int


class MarketsQuery(Query):
    all: bool = False


class NewMarket(Body):
    symbol: MarketSymbol
    base: AssetCode
    quote: AssetCode
    tick_size: PositiveNumber
    lot_size: PositiveNumber
    min_notional: NotNegativeNumber = "0"
    maker_fee_bps: Bps = 0
    taker_fee_bps: Bps = 0
    band_percent: PositiveNumber | None = None


class MarketChange(Body):
    status: Status | None = None
    min_notional: NotNegativeNumber | None = None
    maker_fee_bps: Bps | None = None
    taker_fee_bps: Bps | None = None
    band_percent: PositiveNumber | None = None


class Market(Answer):
    symbol: str
    base: str
    quote: str
    status: Status
    tick_size: DecimalText
    lot_size: DecimalText
    min_notional: DecimalText
    maker_fee_bps: int
    taker_fee_bps: int
    band_percent: DecimalText | None
    house_price: DecimalText | None


class JournalPlace(Answer):
    partition: int
    offset: int


class JournaledMarket(Market):
    """A market after a change, with the change's place in the journal."""

    journal: JournalPlace


class NewPrice(Body):
    price: PositiveNumber


class JournaledPrice(Answer):
    name: str
    price: DecimalText
    journal: JournalPlace


class CryptoCurrency(Answer):
    name: str
    price: DecimalText
