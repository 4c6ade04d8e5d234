"""The matching agent: how the engine reads the journal, and what it says on `executions` and `trades`."""

import functools
from collections.abc import Sequence

from agents.matching.engine import Market
from runtime.journal.machine import Asked, Head, Parked, Program, Record, Stream, schema_version
from schemas import executions
from schemas.commands import RULES_VERSIONS, ChangeRules, Command, OpenMarket, Undecodable, decode_command
from schemas.executions import Event, HouseFilled, Traded, encode_execution
from schemas.money import market_units, money_text, quantity_text
from schemas.topics import COMMANDS, EXECUTIONS, PARKED, TRADES
from schemas.trades import Trade, encode_trade

RULES = dict.fromkeys(RULES_VERSIONS, "0.1.0")
_TRADES = frozenset({Traded, HouseFilled})


class Book(Market):
    """The engine's market, as the journal's machine."""

    __slots__ = ()

    def apply(self, command: Command, now_ms: int) -> list[Event] | Parked:  # type: ignore[override]  # one answer more
        events = Market.apply(self, command, now_ms)
        first = events[0]
        if type(first) is executions.Parked:
            return Parked(f"command {first.command_id} has number {first.number}, too far ahead of the market's last")
        return events

    @property
    def rules(self) -> int:
        return self.state.terms.rules_version if self.state is not None else min(RULES)


def restore(_market: str, state: bytes) -> Book:
    book = Book.restore(state)
    assert isinstance(book, Book)
    return book


def decode(record: Record) -> Asked[Command] | Parked:
    command = decode_command(record.value, schema_version(record))
    if type(command) is Undecodable:  # not `isinstance`: every command comes by here, and structs answer it slowly
        return Parked(command.reason)
    if type(command) is OpenMarket:
        return Asked(command.market, command, True, command.rules_version)
    if type(command) is ChangeRules:
        return Asked(command.market, command, False, command.rules_version)
    return Asked(command.market, command)


def encode_outcome(head: Head, command: Command | None, events: Sequence[Event], _book: Book | None) -> bytes:
    return encode_execution(head, command, events)


def trades(events: Sequence[Event]) -> Sequence[Event]:
    if len(events) == 1 and type(events[0]) not in _TRADES:  # nearly always
        return ()
    return [event for event in events if type(event) in _TRADES]


_units = functools.lru_cache(market_units)  # a market's units never change, and a trade should not parse them


def encode_public(head: Head, _command: Command | None, events: Sequence[Event], book: Book | None) -> bytes:
    """One trade, without anybody's name; what never changes in a market gives its units."""
    market, seq, partition, offset, time_ms, _, _ = head
    event = events[0]
    assert type(event) is Traded or type(event) is HouseFilled
    assert event.trade_seq == seq, f"the engine's trade {event.trade_seq} is the journal's {seq}"
    assert book is not None
    assert book.state is not None
    terms = book.state.terms
    units = _units(terms.tick_size, terms.lot_size, terms.base_scale, terms.quote_scale)
    return encode_trade(
        Trade(
            market=market,
            trade_seq=seq,
            trade_id=f"{market}-{seq}",
            price=units.price_text(event.price_ticks),
            amount=quantity_text(event.base_atoms, terms.base_scale),
            quote_amount=money_text(event.quote_atoms, terms.quote_scale),
            taker_side=event.taker_side if type(event) is Traded else "buy",
            kind="book" if type(event) is Traded else "house",
            time_ms=time_ms,
            partition=partition,
            offset=offset,
        )
    )


PROGRAM: Program[Command, Event] = Program(
    name="matching",
    journal=COMMANDS,
    table="books",
    decode=decode,
    open=Book,
    restore=restore,
    streams=(
        Stream(EXECUTIONS.name, encode_outcome, always=True),
        Stream(TRADES.name, encode_public, choose=trades, per_record=1),
    ),
    parked=PARKED,
    rules=RULES,
)
