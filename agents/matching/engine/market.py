"""One market: commands in, facts out, and its whole state as bytes. Pure: time and ids are arguments.

`apply` answers every command with at least one event and raises for none, but for rules that this release lacks.
"""

from collections.abc import Callable
from typing import Any, Self

from agents.matching.engine import governing, house, leaving, placing, snapshot
from agents.matching.engine.admission import refused
from agents.matching.engine.state import State
from agents.matching.engine.terms import Terms
from agents.matching.engine.window import Admission
from schemas.commands import (
    BuyFromHouse,
    CancelAll,
    CancelOrder,
    ChangeMarket,
    ChangeRules,
    Command,
    ListPrice,
    Numbered,
    OpenMarket,
    PlaceOrder,
    ReduceOrder,
    Tick,
)
from schemas.executions import Event, Ignored, Parked, Reject, Ticked

# What each command does. The value type is Any because each function takes only its own kind of command.
_DEEDS: dict[type[Numbered], Callable[[State, Any], list[Event]]] = {
    PlaceOrder: placing.place,
    CancelOrder: leaving.cancel,
    CancelAll: leaving.cancel_all,
    ReduceOrder: leaving.reduce,
    BuyFromHouse: house.buy_from_house,
    ListPrice: house.list_price,
    OpenMarket: governing.reopen,
    ChangeMarket: governing.change_market,
    ChangeRules: governing.change_rules,
}
_NEW = Admission.NEW


class Market:
    """A market that is open, or one that is not yet (`state` is None): that one refuses all but its opening."""

    __slots__ = ("state", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.state: State | None = None

    def apply(self, command: Command, now_ms: int) -> list[Event]:
        """Do what the command asks, at the record's time, and tell everything that followed."""
        state = self.state
        if state is None:
            return self._open(command, now_ms)
        if type(command) is ChangeRules:  # `isinstance` asks the metaclass of structs, three times slower
            governing.require_rules(self.symbol, command.rules_version)
        if now_ms > state.now_ms:
            state.now_ms = now_ms
        if type(command) is Tick:
            return [Ticked(state.now_ms)]
        admission = state.window.admit(command.number)
        if admission is _NEW:
            return _DEEDS[type(command)](state, command)
        return _not_new(command, admission)

    def snapshot(self) -> bytes:
        """Everything, so that `restore` goes on as if nothing had happened."""
        return snapshot.encode(self.symbol, self.state)

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """The market that `snapshot` told of, or `UnreadableSnapshotError`, or `UnknownRulesError` as in `apply`."""
        symbol, state = snapshot.decode(data)
        market = cls(symbol)
        if state is not None:
            governing.require_rules(symbol, state.terms.rules_version)
            market.state = state
        return market

    def _open(self, command: Command, now_ms: int) -> list[Event]:
        if isinstance(command, Tick):
            return [Ticked(now_ms)]
        if not isinstance(command, OpenMarket):
            return [refused(command, Reject.UNKNOWN_MARKET)]
        governing.require_rules(self.symbol, command.rules_version)
        terms = Terms.of(command)
        if terms is None:
            return [refused(command, Reject.INVALID_MARKET)]
        state = State(terms, now_ms)
        admission = state.window.admit(command.number)
        if admission is not Admission.NEW:
            return _not_new(command, admission)
        self.state = state
        return [terms.opened(self.symbol)]


def _not_new(command: Numbered, admission: Admission) -> list[Event]:
    """A repeat does nothing, one too far ahead is put aside undecided, one too far behind is refused."""
    match admission:
        case Admission.REPEAT:
            return [Ignored(command.command_id, command.number)]
        case Admission.AHEAD:
            return [Parked(command.command_id, command.number)]
        case _:
            return [refused(command, Reject.TOO_LATE)]
