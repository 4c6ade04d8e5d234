"""Counters per account: the smallest machine that uses everything a journal offers.

`add` tells the new sum, `burst` tells many things at once (an outcome in parts), `fill` makes the state big, `sell`
tells something on the second stream too, `rules` changes the rules, `fail` is a bug.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from runtime.journal.machine import Asked, Head, Parked, Program, Record, Stream, schema_version
from schemas.topics import COMMANDS, EXECUTIONS, PARKED, TRADES

Verb = Literal["open", "add", "burst", "fill", "sell", "rules", "tick", "fail", "far"]


class Command(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """[verb, market, account, amount]"""

    verb: Verb
    market: str
    account: int = 0
    amount: int = 0


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """[verb, account, sum, time]"""

    verb: str
    account: int
    total: int
    now_ms: int


_commands = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


class Tally:
    """One market of counters."""

    def __init__(self, sums: dict[int, int] | None = None, factor: int = 1) -> None:
        self._rows = {account: b"%d,%d" % (account, total) for account, total in (sums or {}).items()}
        self._sums = sums or {}
        self._factor = factor

    def apply(self, command: Command, now_ms: int) -> Sequence[Event] | Parked:
        match command.verb:
            case "add" | "sell":
                total = self._add(command.account, command.amount * self._factor)
                return [Event(command.verb, command.account, total, now_ms)]
            case "burst" | "fill":
                told = range(command.amount)
                events = [Event("add", account, self._add(account, 1), now_ms) for account in told]
                return events if command.verb == "burst" else events[:1]
            case "rules":
                self._factor = command.amount
                return [Event("rules", 0, command.amount, now_ms)]
            case "far":
                return Parked("too far ahead")
            case "fail":
                raise ArithmeticError("a bug in the machine")
            case "open":
                return [Event("open", 0, 0, now_ms)]
        return ()

    def _add(self, account: int, amount: int) -> int:
        total = self._sums[account] = self._sums.get(account, 0) + amount
        self._rows[account] = b"%d,%d" % (account, total)
        return total

    @property
    def rules(self) -> int:
        return self._factor

    def snapshot(self) -> bytes:
        return b"%d;" % self._factor + b";".join(self._rows.values())

    @classmethod
    def restore(cls, state: bytes) -> "Tally":
        factor, _, rows = state.partition(b";")
        pairs = (row.split(b",") for row in rows.split(b";") if row)
        return cls({int(account): int(total) for account, total in pairs}, int(factor))


def decode(record: Record) -> Asked[Command] | Parked:
    if (version := schema_version(record)) != 1:
        return Parked(f"schema version {version} is not known")
    try:
        command = _commands.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Parked(str(error))
    rules = command.amount if command.verb == "rules" else None
    return Asked(command.market, command, command.verb == "open", rules, "the next")


class Outcome(msgspec.Struct, gc=False):
    """An outcome record: the head's fields, the verb, the events."""

    market: str
    seq: int
    partition: int
    offset: int
    time_ms: int
    part: int
    last: bool
    verb: str | None
    events: Sequence[Event]


def encode(head: Head, command: Command | None, events: Sequence[Event], _machine: object) -> bytes:
    return _encoder.encode(Outcome(*head, command.verb if command else None, events))


def encode_sale(head: Head, _command: Command | None, events: Sequence[Event], _machine: object) -> bytes:
    return _encoder.encode(Outcome(*head, "sale", events))


def sales(events: Sequence[Event]) -> Sequence[Event]:
    return [event for event in events if event.verb == "sell"] if events else events


PROGRAM: Program[Command, Event] = Program(
    name="matching",
    journal=COMMANDS,
    table="books",
    decode=decode,
    open=lambda _market: Tally(),
    restore=lambda _market, state: Tally.restore(state),
    streams=(
        Stream(EXECUTIONS.name, encode, always=True),
        Stream(TRADES.name, encode_sale, choose=sales, per_record=1),
    ),
    parked=PARKED,
    rules={1: "0.1.0", 2: "0.2.0"},
)


def command(verb: Verb, market: str, account: int = 0, amount: int = 0) -> bytes:
    """The bytes of a record."""
    return _encoder.encode(Command(verb, market, account, amount))
