"""What an output topic says against what its journal gives: record by record, each market by its own numbers. Pure.

A repeat is no difference while its chain is the one that it had; a missing, changed or added record is one, and is
named by its place in the topic and by the journal offset that it answers.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple

import msgspec

from runtime.journal.chain import unseal
from runtime.journal.differing import difference
from runtime.journal.errors import Broken
from runtime.journal.machine import C, E, Record
from runtime.journal.partition import Partition
from runtime.journal.replay import concerning

MARK = slice(-34, -18)
"""Half of a sealed record's chain, in its hex digits: what is kept of each record to know its repeats."""
MARK_BYTES = 16
NO_PLACE = "it does not say its market, number and journal offset"


class Reading(NamedTuple):
    """A record's own word on its place. A part that is not told is the only one."""

    market: str
    seq: int
    offset: int
    part: int


class Difference(NamedTuple):
    """Where history is not what its journal gives. `position` is None for a record that is not there."""

    topic: str
    market: str
    seq: int | None
    offset: int | None
    position: int | None
    words: str

    def __str__(self) -> str:
        where = "" if self.position is None else f" at {self.position}"
        which = "a record" if self.seq is None else f"seq {self.seq}"
        answers = "" if self.offset is None else f", which answers journal offset {self.offset}"
        return f"{self.topic}{where}: {which} of {self.market}{answers}: {self.words}."


def read(value: bytes) -> Reading | str:
    """The place that a record claims, or why it claims none."""
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"it is not JSON: {error}"
    if not isinstance(fields, dict):
        return "it is not a JSON object"
    market, seq = fields.get("market"), fields.get("seq", fields.get("trade_seq"))
    offset, part = fields.get("offset"), fields.get("part", 1)
    if type(market) is not str or type(seq) is not int or type(offset) is not int or type(part) is not int:
        return NO_PLACE
    return Reading(market, seq, offset, part)


class Comparison:
    """One market on one topic, from just behind the record numbered `seq`."""

    def __init__(self, topic: str, market: str, seq: int = 0) -> None:
        self.topic = topic
        self.market = market
        self.same = self.repeats = self.differing = 0
        self.first: Difference | None = None
        self._start = self._seq = seq
        self._marks = bytearray()
        self._expected: list[bytes] = []
        self._taken = 0
        self._found: list[Record] = []

    @property
    def told(self) -> int:
        """The number of the last record that was compared."""
        return self._seq

    @property
    def pending(self) -> int:
        """So many records are expected and were not found yet."""
        return len(self._expected)

    def expect(self, values: Iterable[bytes]) -> None:
        """The journal gives these records next."""
        self._expected += values

    def find(self, records: Iterable[Record]) -> None:
        """The topic says these next."""
        self._found += records

    def judge(self, executed: int) -> None:
        """Compare what can be, now that the journal is executed below this offset."""
        if self._all_the_same():
            return
        judged = 0
        while judged < len(self._found) and self._judge(self._found[judged], executed):
            judged += 1
        del self._found[:judged]
        self._forget()

    def finish(self, executed: int, end: int) -> None:
        """There is nothing more in the topic. What answers a later offset is for another time; nothing can answer an
        offset that the journal, which ends at `end`, does not have."""
        self.judge(executed)
        for record in self._found:
            if not self._judge(record, executed):
                reading = read(record.value or b"")
                if isinstance(reading, str):
                    self._differ(None, record.offset, reading)
                elif reading.offset >= end:
                    self._differ(reading, record.offset, "the journal has no such offset")
        self._found.clear()
        self._forget()

    def give_up(self, below: int) -> None:
        """What answers an offset below this must have been told, so whatever is still expected of it is missing."""
        while self._taken < len(self._expected) and self._ahead().offset < below:
            self._miss("it is missing, and nothing comes after it")
        self._forget()

    def _forget(self) -> None:
        del self._expected[: self._taken]
        self._taken = 0

    def _all_the_same(self) -> bool:
        """Nearly always: then lists of bytes are compared, and no record is looked into."""
        count = min(len(self._expected), len(self._found))
        expected = self._expected[:count]
        if expected != [record.value for record in self._found[:count]]:
            return False
        self._marks += b"".join([value[MARK] for value in expected])
        self._seq += count
        self.same += count
        del self._expected[:count], self._found[:count]
        return not self._found

    def _judge(self, record: Record, executed: int) -> bool:
        """False when the record may answer what the journal was not executed to yet."""
        value = record.value or b""
        is_ahead = self._taken < len(self._expected)
        if is_ahead and value == self._expected[self._taken]:
            self.same += 1
            self._pass()
            return True
        reading = read(value)
        if isinstance(reading, str):
            if is_ahead:
                self._differ(self._ahead(), record.offset, reading)
            return is_ahead
        if self._is_repeat(reading, value):
            self.repeats += reading.seq > self._start  # what lies before was told once, for all that is known
            return True
        if is_ahead and self._is_other(reading, value):
            self._differ(self._ahead(), record.offset, difference(self._expected[self._taken], value))
            self._pass()
            return True
        return self._judge_stranger(reading, record, executed)

    def _judge_stranger(self, reading: Reading, record: Record, executed: int) -> bool:
        """A record that is neither a repeat nor the next: later, or one that the journal does not give."""
        skipped = reading.seq - self._seq - 1
        if reading.market == self.market and 0 < skipped < len(self._expected) - self._taken:
            for _ in range(skipped):
                self._miss(f"it is missing: seq {reading.seq} comes at {record.offset}")
            return self._judge(record, executed)
        if reading.offset >= executed and skipped >= 0:
            return False
        changed = reading.market == self.market and reading.seq <= self._seq
        words = "it was told otherwise before" if changed else "the journal gives no such record"
        self._differ(reading, record.offset, words)
        return True

    def _is_repeat(self, reading: Reading, value: bytes) -> bool:
        """Told again in the same bytes; of what lies before the comparison's start nothing is known."""
        if reading.market != self.market or not 0 < reading.seq <= self._seq:
            return False
        if reading.seq <= self._start:
            return True
        place = (reading.seq - self._start - 1) * MARK_BYTES
        return value[MARK] == self._marks[place : place + MARK_BYTES] and _holds(value)

    def _is_other(self, reading: Reading, value: bytes) -> bool:
        """Stands in the place of the record that is next, and is another; not one from further ahead."""
        ahead = self._ahead()
        further = self._taken + reading.seq - ahead.seq
        if self._taken < further < len(self._expected) and self._expected[further] == value:
            return False
        return reading.seq == ahead.seq or reading[2:] == ahead[2:]

    def _ahead(self) -> Reading:
        """The place of the record that is expected next."""
        reading = read(self._expected[self._taken])
        assert isinstance(reading, Reading), "the journal's own words can be read"
        return reading

    def _pass(self) -> None:
        self._marks += self._expected[self._taken][MARK]
        self._seq += 1
        self._taken += 1

    def _miss(self, words: str) -> None:
        self._differ(self._ahead(), None, words)
        self._pass()

    def _differ(self, reading: Reading | None, position: int | None, words: str) -> None:
        self.differing += 1
        if self.first is None:
            seq, offset = (None, None) if reading is None else (reading.seq, reading.offset)
            self.first = Difference(self.topic, self.market, seq, offset, position, words)


def _holds(value: bytes) -> bool:
    try:
        unseal(value)
    except Broken:
        return False
    return True


class Verification(Generic[C, E]):
    """A partition executed again, and its output topics compared with it from where its state stands now.

    With a market, only that market's records are executed and compared.
    """

    def __init__(self, partition: Partition[C, E], market: str | None = None) -> None:
        self.partition = partition
        self.market = market
        self.commands = 0
        self.first_offset = partition.next_offset
        self.comparisons: dict[tuple[str, bytes], Comparison] = {}
        self._topics = [stream.topic for stream in partition.program.streams]
        for known in partition.markets.values():
            if market in (None, known.name):
                for topic, track in zip(self._topics, known.tracks, strict=True):
                    self._comparison(topic, known.key, track.seq)

    @property
    def executed(self) -> int:
        """The journal is executed below this offset."""
        return self.partition.next_offset

    @property
    def difference(self) -> Difference | None:
        """The one that answers the earliest offset."""
        found = [comparison.first for comparison in self.comparisons.values() if comparison.first is not None]
        return min(found, key=lambda one: -1 if one.offset is None else one.offset, default=None)

    @property
    def pending(self) -> int:
        """So many records are expected and were not found yet."""
        return sum(comparison.pending for comparison in self.comparisons.values())

    def chains(self) -> dict[str, dict[str, str]]:
        """Where the chains of each market stand, per topic."""
        return {
            known.name: {topic: track.chain for topic, track in zip(self._topics, known.tracks, strict=True)}
            for known in self.partition.markets.values()
            if self.market in (None, known.name)
        }

    def execute(self, records: Sequence[Record]) -> None:
        """What the next records of the journal give is what the topics must say."""
        if not records:
            return
        relevant = concerning(records, self.market)
        values: defaultdict[tuple[str, bytes], list[bytes]] = defaultdict(list)
        for outgoing in self.partition.run(relevant):
            values[outgoing.topic, outgoing.key].append(outgoing.value)
        for (topic, key), some in values.items():
            comparison = self.comparisons.get((topic, key))
            if comparison is None:
                if topic not in self._topics or self.market not in (None, key.decode()):
                    continue
                comparison = self._comparison(topic, key)
            comparison.expect(some)
        self.partition.next_offset = records[-1].offset + 1
        self.commands += len(relevant)

    def find(self, topic: str, records: Sequence[Record]) -> None:
        """The next records of an output topic."""
        by_key: defaultdict[bytes, list[Record]] = defaultdict(list)
        for record in records:
            by_key[record.key or b""].append(record)
        for key, some in by_key.items():
            if self.market is None or key == self.market.encode():
                (self.comparisons.get((topic, key)) or self._comparison(topic, key)).find(some)
            else:
                self._find_disguised(topic, some)

    def judge(self) -> None:
        for comparison in self.comparisons.values():
            comparison.judge(self.executed)

    def finish(self, end: int) -> None:
        """Everything of the topics was found; the journal ended at `end` when they were."""
        for comparison in self.comparisons.values():
            comparison.finish(self.executed, end)

    def give_up(self, below: int) -> None:
        """All that answers an offset below this was acknowledged once, and must be there."""
        for comparison in self.comparisons.values():
            comparison.give_up(below)

    def _comparison(self, topic: str, key: bytes, seq: int = 0) -> Comparison:
        name = key.decode("utf-8", "backslashreplace")
        made = self.comparisons[topic, key] = Comparison(topic, name, seq)
        return made

    def _find_disguised(self, topic: str, records: Sequence[Record]) -> None:
        """Readers take the market from the value, so one that hides under another key counts."""
        assert self.market is not None
        ours = b'{"market":"%b",' % self.market.encode()
        some = [record for record in records if (record.value or b"").startswith(ours)]
        if some:
            key = self.market.encode()
            (self.comparisons.get((topic, key)) or self._comparison(topic, key)).find(some)


def counted(comparisons: Iterable[Comparison]) -> dict[str, dict[str, int]]:
    """Per topic: how many are the same, told again, different, or not told yet."""
    topics: dict[str, dict[str, int]] = {}
    for one in comparisons:
        row = topics.setdefault(one.topic, {"same": 0, "repeats": 0, "differing": 0, "pending": 0})
        for name in row:
            row[name] += getattr(one, name)
    return topics
