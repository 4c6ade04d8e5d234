"""What an agent must say to be run from a journal: how to read a record, and one deterministic machine per market.

A machine sees a command and a time, both from the record. It never reads a clock, draws a random number, awaits or
logs; so the same records give the same bytes in every process, and a crash costs nothing but a re-execution.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from runtime.journal.errors import Broken
from schemas.topics import Topic

C = TypeVar("C")
E = TypeVar("E")
C_contra = TypeVar("C_contra", contravariant=True)
E_co = TypeVar("E_co", covariant=True)


class Record(Protocol):
    """What is used of a Kafka record."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Asked(msgspec.Struct, Generic[C], frozen=True, gc=False):
    """A record that was understood. `rules` is the version of the rules that it asks for, `release` one that has it.

    As every value that is made for each record, a struct: a named tuple takes eight times as long.
    """

    market: str
    command: C
    opens: bool = False
    rules: int | None = None
    release: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be used: nothing has changed, the reason goes to the parked topic, the journal goes on."""

    reason: str


class Machine(Protocol[C_contra, E_co]):
    """One market."""

    def apply(self, command: C_contra, now_ms: int, /) -> Sequence[E_co] | Parked:
        """What happened; empty when nothing did. A `Parked` promises that nothing changed.

        Events are encoded when the whole run is applied, so a machine never changes what it has returned.
        """
        ...

    def snapshot(self) -> bytes:
        """The whole state, in one synchronous pass."""
        ...

    @property
    def rules(self) -> int:
        """The version of the rules in force; only the journal changes it."""
        ...


Head = tuple[str, int, int, int, int, int, bool]
"""What the journal knows of an outcome record, the first fields of each: its market, its number there, partition and
offset of the record that it answers, the time in the market, which part of the answer it is, and whether the last."""


@dataclasses.dataclass(frozen=True)
class Stream(Generic[C, E]):
    """One output topic. `always` writes an empty record too, so that nobody waits for an outcome that has no events."""

    topic: str
    encode: Callable[[Head, C | None, Sequence[E], Any], bytes]
    """A JSON object, in bytes that depend on nothing but the arguments: where, the command (None for a parked record),
    what happened, and the machine, for what never changes in it (None for the pseudo-market)."""
    choose: Callable[[Sequence[E]], Sequence[E]] | None = None
    """Which events this stream tells; without it, all."""
    per_record: int = 500
    always: bool = False


@dataclasses.dataclass(frozen=True)
class Program(Generic[C, E]):
    """Everything that tells one kind of agent from another."""

    name: str
    journal: Topic
    table: str
    decode: Callable[[Record], Asked[C] | Parked]
    open: Callable[[str], Machine[C, E]]
    restore: Callable[[str, bytes], Machine[C, E]]
    streams: tuple[Stream[C, E], ...]
    parked: Topic | None = None
    rules: Mapping[int, str] = dataclasses.field(default_factory=lambda: {1: "0.1.0"})
    """The versions of the rules that this code can run, and the release that brought each."""

    def check_rules(self, version: int, release: str) -> None:
        """A market's rules are changed by its journal only; a release without them stops before that record."""
        if version not in self.rules:
            known = ", ".join(f"{number} (since release {name})" for number, name in sorted(self.rules.items()))
            source = f"release {release}" if release else "the release that journaled the command, or a later one"
            raise Broken(f"rules version {version} is not in this release, which has {known}: start {source}")


def schema_version(record: Record, default: int = 1) -> int:
    """The schema version in the record's `v` header; 0 when it is no number."""
    for name, value in record.headers:
        if name == "v":
            return int(value) if value.isdigit() and len(value) < 10 else 0
    return default
