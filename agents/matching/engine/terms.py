"""The terms of a market: what a tick and a lot are worth, and what its admin may change. Every rule reads them here."""

import dataclasses
from typing import Final

from schemas.commands import RULES_VERSIONS, ChangeMarket, OpenMarket, Side, Status
from schemas.executions import MarketChanged, MarketOpened
from schemas.money import MAX_SCALE, MAX_UNITS, MoneyError, market_units

MAX_ATOMS: Final = MAX_UNITS
MAX_PRICE_TICKS: Final = (1 << 60) - 1
WHOLE_BPS: Final = 10_000
MAX_BAND_BPS: Final = 1_000_000


class UnknownRulesError(Exception):
    """This release does not have the rules version that the market follows; start one that has it, nothing is lost."""

    def __init__(self, market: str, rules_version: int) -> None:
        known = ", ".join(map(str, sorted(RULES_VERSIONS)))
        super().__init__(f"market {market} follows rules version {rules_version}; this release has {known}")
        self.market = market
        self.rules_version = rules_version


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """Scales, tick and lot are fixed for life; the rest changes through the journal: replay uses those of the time."""

    base: str
    quote: str
    base_scale: int
    quote_scale: int
    tick_size: str
    lot_size: str
    lot_base_atoms: int
    tick_lot_quote_atoms: int
    status: Status
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int
    rules_version: int

    @classmethod
    def of(cls, command: OpenMarket) -> "Terms | None":
        """What an opening command asks for; None when no market can be like that."""
        if not (0 <= command.base_scale <= MAX_SCALE and 0 <= command.quote_scale <= MAX_SCALE):
            return None
        try:
            units = market_units(command.tick_size, command.lot_size, command.base_scale, command.quote_scale)
        except MoneyError:
            return None
        terms = cls(
            **{name: getattr(command, name) for name in _AS_COMMANDED},
            lot_base_atoms=units.lot_base_atoms,
            tick_lot_quote_atoms=units.tick_lot_quote_atoms,
        )
        return terms if terms.valid else None

    def changed(self, command: ChangeMarket) -> "Terms | None":
        """These terms with what the command names put in; None when no market can be like that."""
        named = {name: getattr(command, name) for name in MarketChanged.__struct_fields__}
        terms = dataclasses.replace(self, **{name: value for name, value in named.items() if value is not None})
        return terms if terms.valid else None

    @property
    def valid(self) -> bool:
        """Whether a market can have these terms."""
        return (
            "" != self.base != self.quote != ""
            and 0 <= self.maker_fee_bps <= WHOLE_BPS
            and 0 <= self.taker_fee_bps <= WHOLE_BPS
            and 0 <= self.band_bps <= MAX_BAND_BPS
            and 0 <= self.min_notional_atoms <= MAX_ATOMS
        )

    def quote_atoms(self, price_ticks: int, lots: int) -> int:
        """The exact value of so many lots at a price."""
        return price_ticks * lots * self.tick_lot_quote_atoms

    def base_atoms(self, lots: int) -> int:
        """So many lots in atoms of the base."""
        return lots * self.lot_base_atoms

    def hold_atoms(self, side: Side, price_ticks: int, lots: int) -> int:
        """What an order needs set aside: a buy the value at its price, a sell the lots themselves."""
        return price_ticks * lots * self.tick_lot_quote_atoms if side == "buy" else lots * self.lot_base_atoms

    def band(self, reference_ticks: int | None) -> tuple[int, int]:
        """The lowest and the highest limit price; without a band, or a price to measure from, any is good."""
        if not self.band_bps or reference_ticks is None:
            return 1, MAX_PRICE_TICKS
        width = self.band_bps * reference_ticks // WHOLE_BPS
        return max(1, reference_ticks - width), min(reference_ticks + width, MAX_PRICE_TICKS)

    def opened(self, market: str) -> MarketOpened:
        """The fact that a market began with these terms."""
        return MarketOpened(market, *(getattr(self, name) for name in MarketOpened.__struct_fields__[1:]))

    def told(self) -> MarketChanged:
        """The fact that these are the terms from here on."""
        return MarketChanged(*(getattr(self, name) for name in MarketChanged.__struct_fields__))


_DERIVED = {"lot_base_atoms", "tick_lot_quote_atoms"}
_AS_COMMANDED = [field.name for field in dataclasses.fields(Terms) if field.name not in _DERIVED]
