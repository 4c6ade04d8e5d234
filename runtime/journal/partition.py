"""One partition of a journal as a pure machine: records in, output records out, with sequences and chains.

Every record belongs to exactly one market, if need be to the pseudo-market `#<partition>`; so every record has an
outcome, and the state after it depends on nothing but the records before it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple

from runtime.journal.chain import ORIGIN, seal
from runtime.journal.errors import Broken
from runtime.journal.machine import Asked, C, E, Head, Machine, Parked, Program, Record, Stream

LOG_APPEND_TIME = 1
PARKED_HEAD_BYTES = 16_384
NO_EVENTS: tuple[()] = ()


class Outgoing(NamedTuple):
    """A record to send, to the same partition that it came from."""

    topic: str
    key: bytes
    value: bytes


class Track:
    """Where one output stream of one market stands."""

    __slots__ = ("chain", "seq")

    def __init__(self, seq: int = 0, chain: str = ORIGIN) -> None:
        self.seq = seq
        self.chain = chain


class Market(Generic[C, E]):
    """One market (or the pseudo-market, which has no machine) and its place in the journal and in each stream."""

    __slots__ = ("key", "machine", "name", "now_ms", "offset", "tracks")

    def __init__(self, name: str, machine: Machine[C, E] | None, tracks: list[Track]) -> None:
        self.name = name
        self.key = name.encode()
        self.machine = machine
        self.tracks = tracks
        self.now_ms = 0
        self.offset = -1


class Partition(Generic[C, E]):
    """The markets of one partition, and the offset of the next record."""

    def __init__(
        self, program: Program[C, E], number: int, next_offset: int = 0, markets: Iterable[Market[C, E]] = ()
    ) -> None:
        self.program = program
        self.number = number
        self.next_offset = next_offset
        self.markets: dict[str, Market[C, E]] = {market.name: market for market in markets}
        self.nowhere = f"#{number}"
        self._market, self._offset = self.nowhere, next_offset
        self._streams = program.streams
        self.parked = 0

    @property
    def at(self) -> tuple[str, int]:
        """Market and offset in hand, for the message of a halt."""
        return self._market, self._offset

    def run(self, records: Sequence[Record]) -> list[Outgoing]:
        """Apply records, which follow one another, and say what they led to."""
        sent: list[Outgoing] = []
        if records and records[0].timestamp_type != LOG_APPEND_TIME:
            raise Broken(f"{self.program.journal.name} must have message.timestamp.type=LogAppendTime")
        for record in records:
            if record.offset < self.next_offset:
                raise Broken(f"record {record.offset} was applied already, the next is {self.next_offset}")
            self._market, self._offset = self.nowhere, record.offset
            self._apply(record, sent)
            self.next_offset = record.offset + 1
        return sent

    def _apply(self, record: Record, sent: list[Outgoing]) -> None:
        asked = self.program.decode(record)
        if isinstance(asked, Parked):
            return self._park(self._pseudo_market(), record, asked, sent)
        market = self.markets.get(asked.market) or self._opened(asked)
        if isinstance(market, Parked):
            return self._park(self._pseudo_market(), record, market, sent)
        self._market = market.name
        if asked.rules is not None:
            self.program.check_rules(asked.rules, asked.release)
        if record.timestamp > market.now_ms:
            market.now_ms = record.timestamp
        assert market.machine is not None
        events = market.machine.apply(asked.command, market.now_ms)
        if isinstance(events, Parked):
            return self._park(self.markets.get(asked.market) or self._pseudo_market(), record, events, sent)
        self.markets.setdefault(asked.market, market)
        return self._tell(market, record, asked.command, events, sent)

    def _opened(self, asked: Asked[C]) -> Market[C, E] | Parked:
        if not asked.opens:
            return Parked(f"market {asked.market!r} is not open in partition {self.number}")
        if not asked.market or asked.market[0] == "#" or "|" in asked.market:
            return Parked(f"{asked.market!r} cannot be the name of a market")
        return Market(asked.market, self.program.open(asked.market), [Track() for _ in self.program.streams])

    def _pseudo_market(self) -> Market[C, E]:
        market = self.markets.get(self.nowhere)
        if market is None:
            market = self.markets[self.nowhere] = Market(self.nowhere, None, [Track() for _ in self.program.streams])
        return market

    def _park(self, market: Market[C, E], record: Record, parked: Parked, sent: list[Outgoing]) -> None:
        """Put the record aside, and leave an empty outcome, so that nobody waits for it."""
        if record.timestamp > market.now_ms:
            market.now_ms = record.timestamp
        if self.program.parked is not None:  # without such a topic it is only not this program's
            self.parked += 1
            sent.append(
                Outgoing(self.program.parked.name, market.key, _parked_value(self.number, record, parked.reason))
            )
        self._tell(market, record, None, NO_EVENTS, sent)

    def _tell(
        self, market: Market[C, E], record: Record, command: C | None, events: Sequence[E], sent: list[Outgoing]
    ) -> None:
        """Number and seal what came of the record, in every stream that says something of it."""
        market.offset = record.offset
        for stream, track in zip(self._streams, market.tracks, strict=True):
            items = events if stream.choose is None else stream.choose(events)
            if len(items) <= stream.per_record:
                if items or stream.always:
                    sent.append(self._sealed(stream, track, market, command, items, 1, True))
                continue
            parts = -(-len(items) // stream.per_record)
            for part in range(1, parts + 1):
                some = items[(part - 1) * stream.per_record : part * stream.per_record]
                sent.append(self._sealed(stream, track, market, command, some, part, part == parts))

    def _sealed(
        self,
        stream: Stream[C, E],
        track: Track,
        market: Market[C, E],
        command: C | None,
        items: Sequence[E],
        part: int,
        last: bool,
    ) -> Outgoing:
        track.seq = seq = track.seq + 1
        head = Head(market.name, seq, self.number, market.offset, market.now_ms, part, last)
        value, track.chain = seal(stream.encode(head, command, items, market.machine), track.chain)
        return Outgoing(stream.topic, market.key, value)


def _parked_value(partition: int, record: Record, reason: str) -> bytes:
    """What an operator needs to see; the record itself stays in the journal, at this partition and offset."""
    value = record.value or b""
    shown = value[:PARKED_HEAD_BYTES].decode("utf-8", "backslashreplace")
    key = (record.key or b"")[:256].decode("utf-8", "backslashreplace")
    parked = {"partition": partition, "offset": record.offset, "time_ms": record.timestamp, "key": key}
    return json.dumps({**parked, "reason": reason[:2000], "bytes": len(value), "value": shown}).encode()
