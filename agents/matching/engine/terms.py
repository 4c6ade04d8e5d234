"""The terms of a market: what a tick and a lot are worth, and what its admin may change. Every rule reads them here."""

import dataclasses
from typing import Final

from agents.matching.engine.ladder import REACH
from schemas.commands import ChangeMarket, OpenMarket, Side, Status
from schemas.executions import MarketChanged, MarketOpened

MAX_ATOMS: Final = 1 << 62
MAX_PRICE_TICKS: Final = REACH - 1
MAX_SCALE: Final = 8
WHOLE_BPS: Final = 10_000
MAX_BAND_BPS: Final = 1_000_000
RULES_VERSIONS: Final = frozenset({1})


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
    base_atoms_per_lot: int
    quote_atoms_per_tick_lot: int
    status: Status
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int
    rules_version: int

    @classmethod
    def of(cls, command: OpenMarket) -> "Terms":
        """What an opening command asks for, valid or not."""
        return cls(**{field.name: getattr(command, field.name) for field in dataclasses.fields(cls)})

    def changed(self, command: ChangeMarket) -> "Terms":
        """These terms with what the command names put in, valid or not."""
        named = {name: getattr(command, name) for name in MarketChanged.__struct_fields__}
        return dataclasses.replace(self, **{name: value for name, value in named.items() if value is not None})

    @property
    def valid(self) -> bool:
        """Whether a market can have these terms."""
        return (
            bool(self.base and self.quote)
            and self.base != self.quote
            and 0 <= self.base_scale <= MAX_SCALE
            and 0 <= self.quote_scale <= MAX_SCALE
            and 1 <= self.base_atoms_per_lot <= MAX_ATOMS
            and 1 <= self.quote_atoms_per_tick_lot <= MAX_ATOMS
            and 0 <= self.maker_fee_bps <= WHOLE_BPS
            and 0 <= self.taker_fee_bps <= WHOLE_BPS
            and 0 <= self.band_bps <= MAX_BAND_BPS
            and 0 <= self.min_notional_atoms <= MAX_ATOMS
        )

    def quote_atoms(self, price_ticks: int, lots: int) -> int:
        """The exact value of so many lots at a price."""
        return price_ticks * lots * self.quote_atoms_per_tick_lot

    def base_atoms(self, lots: int) -> int:
        """So many lots in atoms of the base."""
        return lots * self.base_atoms_per_lot

    def hold_atoms(self, side: Side, price_ticks: int, lots: int) -> int:
        """What an order needs set aside: a buy the value at its price, a sell the lots themselves."""
        return self.quote_atoms(price_ticks, lots) if side == "buy" else self.base_atoms(lots)

    def hold_asset(self, side: Side) -> str:
        """The asset that an order of this side pays with."""
        return self.quote if side == "buy" else self.base

    def band(self, reference_ticks: int | None) -> tuple[int, int]:
        """The lowest and the highest price that the band allows around a reference price."""
        if not self.band_bps or reference_ticks is None:
            return 1, MAX_PRICE_TICKS
        below = -(-reference_ticks * (WHOLE_BPS - self.band_bps) // WHOLE_BPS)
        above = reference_ticks * (WHOLE_BPS + self.band_bps) // WHOLE_BPS
        return max(1, below), min(above, MAX_PRICE_TICKS)

    def opened(self, market: str) -> MarketOpened:
        """The fact that a market began with these terms."""
        return MarketOpened(market, *(getattr(self, name) for name in MarketOpened.__struct_fields__[1:]))

    def told(self) -> MarketChanged:
        """The fact that these are the terms from here on."""
        return MarketChanged(*(getattr(self, name) for name in MarketChanged.__struct_fields__))
