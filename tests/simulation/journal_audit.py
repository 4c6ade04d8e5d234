"""The auditor at the log: every record of the journal has one outcome, in order, and it is what a naive market says.

It reads bytes as any consumer would: its own chain, its own counting, and the slow reference market of the engine's
tests, which shares no code with the engine.
"""

import hashlib
from collections import defaultdict
from typing import Any, NamedTuple

import msgspec

from schemas import executions as e
from schemas.batches import decode_batch_record
from schemas.commands import Command, OpenMarket, Undecodable, decode_command
from schemas.topics import BATCHES, COMMANDS, EXECUTIONS, TRADES
from tests.agents.matching.engine.naive import Naive
from tests.simulation.broker import Record
from tests.simulation.violation import Violation

ORIGIN = "0" * 32
TAIL = len(b',"prev_chain":"","chain":""}') + 64
TRADING = (e.Traded, e.HouseFilled)


class Expected(NamedTuple):
    """What must come of one record of the journal."""

    market: str
    events: list[e.Event]
    time_ms: int
    command_id: int | None


class Told(NamedTuple):
    """One record of `executions`, told once or often; `events` are those of the naive market."""

    value: bytes
    chain: str
    offset: int
    events: list[Any]
    command_id: int | None
    last: bool


class JournalAudit:
    """Everything that was said on the topics."""

    def __init__(self) -> None:
        self.markets: dict[str, Naive] = {}
        self.expected: dict[int, list[Expected]] = defaultdict(list)
        self.told: dict[str, list[Told]] = defaultdict(list)
        self.batches: dict[str, list[Told]] = defaultdict(list)
        self.public: dict[str, list[bytes]] = defaultdict(list)
        self.trades: dict[str, list[e.Event]] = defaultdict(list)
        self.deciding: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.repeats = 0
        self._homes: dict[str, int] = {}
        self._times: dict[str, int] = defaultdict(int)
        self._open: dict[int, tuple[int, list[Any]]] = {}
        self._answered: dict[int, int] = defaultdict(int)

    def appended(self, topic: str, record: Record) -> None:
        if topic == COMMANDS.name:
            self._command(record)
        elif topic == EXECUTIONS.name:
            self._execution(record)
        elif topic == TRADES.name:
            self._public(record)
        elif topic == BATCHES.name:
            self._batch(record)

    def _command(self, record: Record) -> None:
        command = decode_command(record.value)
        market, events = f"#{record.partition}", []
        if not isinstance(command, Undecodable) and self._is_open(command, record.partition):
            said = self._naive(command.market).apply(command, max(self._times[command.market], record.timestamp))
            market, events = command.market, said if not isinstance(said[0], e.Parked) else []
        self._times[market] = now = max(self._times[market], record.timestamp)
        command_id = getattr(command, "command_id", None) if events else None
        self.expected[record.partition].append(Expected(market, events, now, command_id))
        if command_id is not None and not isinstance(events[-1], e.Ignored):
            self.deciding[command_id].append((record.partition, record.offset))
            if len(self.deciding[command_id]) > 1:
                raise Violation("I7", f"command {command_id} is decided twice, at {self.deciding[command_id]}")

    def _is_open(self, command: Command, partition: int) -> bool:
        """A market is open in the partition of its opening, and in no other."""
        if isinstance(command, OpenMarket):
            self._homes.setdefault(command.market, partition)
        return self._homes.get(command.market) == partition

    def _naive(self, market: str) -> Naive:
        if market not in self.markets:
            self.markets[market] = Naive(market)
        return self.markets[market]

    def _execution(self, record: Record) -> None:
        said = msgspec.json.decode(record.value)
        told = self.told[said["market"]]
        seq = said["seq"]
        if seq <= len(told):
            self.repeats += 1
            if told[seq - 1].value != record.value:
                raise Violation("I12", f"seq {seq} of {said['market']} is told in two ways")
            return
        if seq != len(told) + 1:
            raise Violation("I10", f"{said['market']} jumps from seq {len(told)} to {seq}")
        self._chained(record.value, said, told[-1].chain if told else ORIGIN, seq)
        told.append(self._outcome(record, said))

    def _batch(self, record: Record) -> None:
        """What the windower says is numbered and chained as executions are."""
        said = msgspec.json.decode(record.value)
        told, seq = self.batches[said["market"]], said["seq"]
        if seq <= len(told):
            if told[seq - 1].value != record.value:
                raise Violation("I12", f"batch record {seq} of {said['market']} is told in two ways")
            return
        if seq != len(told) + 1:
            raise Violation("I10", f"{said['market']} jumps from batch record {len(told)} to {seq}")
        self._chained(record.value, said, told[-1].chain if told else ORIGIN, seq)
        events = decode_batch_record(record.value).events
        told.append(Told(record.value, said["chain"], said["offset"], list(events), None, said["last"]))

    def _chained(self, value: bytes, said: dict[str, Any], before: str, seq: int) -> None:
        body = value[:-TAIL] + b"}"
        chain = hashlib.sha256(before.encode() + body).hexdigest()[:32]
        if (said["prev_chain"], said["chain"]) != (before, chain):
            raise Violation("I12", f"the chain of {said['market']} does not hold at seq {seq}")

    def _outcome(self, record: Record, said: dict[str, Any]) -> Told:
        """The next record of the journal, or the next part of its outcome."""
        partition, offset = record.partition, said["offset"]
        following = self._answered[partition]
        if said["partition"] != partition or offset != following:
            raise Violation("I5", f"partition {partition}: after offset {following - 1} comes the outcome of {offset}")
        if offset >= len(self.expected[partition]):
            raise Violation("I6", f"offset {offset} has an outcome, and is not in the journal")
        expected = self.expected[partition][offset]
        _, before = self._open.get(partition, (offset, []))
        events = before + said["events"]
        if (said["market"], said["time_ms"]) != (expected.market, expected.time_ms):
            raise Violation("I12", f"offset {offset}: {said['market']} at {said['time_ms']}, not {expected}")
        if said["last"]:
            self._open.pop(partition, None)
            self._answered[partition] += 1
            self._same(expected, events, offset)
        else:
            self._open[partition] = (offset, events)
        part = expected.events[len(before) : len(events)]
        self.trades[expected.market] += [event for event in part if isinstance(event, TRADING)]
        return Told(record.value, said["chain"], offset, part, expected.command_id, said["last"])

    def _same(self, expected: Expected, events: list[Any], offset: int) -> None:
        wanted = msgspec.json.decode(msgspec.json.encode(expected.events))
        if events == wanted:
            return
        ignored = bool(expected.events) and isinstance(expected.events[0], e.Ignored)
        name = "I7" if ignored else "I11"
        raise Violation(name, f"offset {offset} of {expected.market}: engine {events}, reference {wanted}")

    def _public(self, record: Record) -> None:
        said = msgspec.json.decode(record.value)
        told, seq = self.public[said["market"]], said["trade_seq"]
        if seq <= len(told):
            if told[seq - 1] != record.value:
                raise Violation("I12", f"trade {seq} of {said['market']} is told in two ways")
            return
        if seq != len(told) + 1:
            raise Violation("I10", f"{said['market']} jumps from trade {len(told)} to {seq}")
        if any("user" in name for name in said):
            raise Violation("I10", f"trade {seq} of {said['market']} names a user")
        told.append(record.value)

    def finish(self) -> None:
        """All that the journal holds has been said."""
        for partition, expected in self.expected.items():
            if self._answered[partition] != len(expected):
                raise Violation("I5", f"partition {partition}: {self._answered[partition]} of {len(expected)} answered")
        for market, trades in self.trades.items():
            public = [msgspec.json.decode(value) for value in self.public[market]]
            told = [(one["trade_seq"], one["kind"]) for one in public]
            wanted = [(one.trade_seq, "book" if isinstance(one, e.Traded) else "house") for one in trades]
            if told != wanted:
                raise Violation("I9", f"{market}: the public trades are {told}, not {wanted}")
