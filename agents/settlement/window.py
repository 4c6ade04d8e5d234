"""What the windower remembers of one market: its units, the house's price, and the window that is open.

Everything in it came from the journal of executions, so it is the same in every process.
"""

import dataclasses
from typing import Any

import msgspec

from agents.settlement.terms import VERSIONS, WindowTerms
from schemas.batches import Line


@dataclasses.dataclass(slots=True)
class Window:
    """Small purchases that wait for others, in the order in which they came."""

    number: int
    opened_ms: int
    orders: list[Line]

    @property
    def notional_atoms(self) -> int:
        return sum(line.quote_atoms for line in self.orders)


@dataclasses.dataclass(slots=True)
class State:
    """One market. `terms` are those of its rules version."""

    market: str
    rules: int
    terms: WindowTerms
    quote: str = ""
    quote_scale: int = 0
    tick_lot_quote_atoms: int = 0
    price_ticks: int = 0
    last_number: int = 0
    window: Window | None = None

    @property
    def threshold_atoms(self) -> int:
        return self.terms.threshold_atoms(self.quote, self.quote_scale)

    def batch_id(self, number: int) -> str:
        return f"{self.market}-{number}"

    def take_number(self) -> int:
        self.last_number += 1
        return self.last_number


class _Saved(msgspec.Struct, array_like=True):
    """A state as bytes."""

    rules: int
    quote: str
    quote_scale: int
    tick_lot_quote_atoms: int
    price_ticks: int
    last_number: int
    window: tuple[int, int, list[Line]] | None
    place: tuple[int, int, str]


def snapshot(state: State, place: tuple[int, int, str]) -> bytes:
    """The state and the execution up to which it knows the journal: its seq, source offset and chain."""
    window = None if state.window is None else (state.window.number, state.window.opened_ms, state.window.orders)
    return msgspec.json.encode(
        _Saved(
            state.rules, state.quote, state.quote_scale, state.tick_lot_quote_atoms, state.price_ticks,
            state.last_number, window, place,
        )
    )  # fmt: skip


def restore(market: str, data: bytes, versions: Any = VERSIONS) -> tuple[State, tuple[int, int, str]]:
    """The way back."""
    saved = msgspec.json.decode(data, type=_Saved)
    window = None if saved.window is None else Window(*saved.window)
    state = State(
        market, saved.rules, versions[saved.rules], saved.quote, saved.quote_scale, saved.tick_lot_quote_atoms,
        saved.price_ticks, saved.last_number, window,
    )  # fmt: skip
    return state, saved.place
