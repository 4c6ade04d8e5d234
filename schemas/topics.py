"""The one table of topics: who writes each, who reads it, how long it is kept, and how it is made durable.

Creation, the check of a broker against this table, and `docs/TOPICS.md` all read it from here.
"""

import dataclasses
import enum
from collections.abc import Mapping

DAY_MS = 24 * 60 * 60 * 1000
MARKET = "market"
USER = "user"


class Retention(enum.Enum):
    """How long records stay."""

    FOR_EVER = "for ever"
    COMPACTED = "newest per key"
    THIRTY_DAYS = "30 days"


NEVER_FLUSH = str((1 << 63) - 1)
"""The broker's word for leaving the moment to the operating system."""
MAX_RECORD_BYTES = 1 << 20
MAX_SNAPSHOT_BYTES = 64 << 20
RETENTIONS: Mapping[Retention, Mapping[str, str]] = {
    Retention.FOR_EVER: {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(MAX_RECORD_BYTES),
    },
    Retention.THIRTY_DAYS: {
        "cleanup.policy": "delete",
        "retention.ms": str(30 * DAY_MS),
        "retention.bytes": "-1",
        "max.message.bytes": str(MAX_RECORD_BYTES),
    },
    Retention.COMPACTED: {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 << 20),
        "min.cleanable.dirty.ratio": "0.1",
        "max.message.bytes": str(MAX_SNAPSHOT_BYTES),
    },
}


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """One row: `flush` asks the broker to write each batch to the disk before it acknowledges it."""

    name: str
    key: str
    value: str
    retention: Retention
    flush: bool
    writer: str
    readers: tuple[str, ...]

    def config(self, *, flush: bool = True, replication: int = 1) -> dict[str, str]:
        """The broker's settings for this row, each of them named, so that no default of a broker decides for us.

        `flush=False` is the operator's choice of speed over power cuts. From three replicas on, an acknowledged record
        is on two of them at least.
        """
        return {
            "message.timestamp.type": "LogAppendTime",
            "unclean.leader.election.enable": "false",
            "min.insync.replicas": "2" if replication > 2 else "1",
            "flush.messages": "1" if self.flush and flush else NEVER_FLUSH,
            **RETENTIONS[self.retention],
        }


COMMANDS = Topic("orders.commands", MARKET, "one command", Retention.FOR_EVER, True, "api", ("matching",))
EXECUTIONS = Topic(
    "executions", MARKET, "the outcome of one command, or a part of it", Retention.FOR_EVER, True,
    "matching", ("wallet", "marketdata", "settlement"),
)  # fmt: skip
TRADES = Topic(
    "trades", MARKET, "one trade, without user ids: the public contract", Retention.FOR_EVER, True,
    "matching", ("downstream systems",),
)  # fmt: skip
BATCHES = Topic(
    "exchange.batches", MARKET, "a purchase joined a window, or a batch closed", Retention.FOR_EVER, True,
    "settlement", ("wallet", "desk"),
)  # fmt: skip
FILLS = Topic(
    "exchange.fills", MARKET, "what the outside exchange said of a batch", Retention.FOR_EVER, True,
    "desk", ("wallet",),
)  # fmt: skip
LEDGER_ENTRIES = Topic(
    "ledger.entries", USER, "an account, deposit, withdrawal or adjustment", Retention.FOR_EVER, True,
    "api", ("recovery",),
)  # fmt: skip
PARKED = Topic(
    "orders.parked", MARKET, "a record that could not be used, with the reason", Retention.THIRTY_DAYS, False,
    "matching", ("operators",),
)  # fmt: skip

TOPICS: tuple[Topic, ...] = (COMMANDS, EXECUTIONS, TRADES, BATCHES, FILLS, LEDGER_ENTRIES, PARKED)


def changelog(app: str, table: str) -> Topic:
    """The changelog of an agent's Faust table, which holds its snapshots."""
    return Topic(
        f"{app}-{table}-changelog", "partition and slot", "a snapshot or a manifest, compact bytes",
        Retention.COMPACTED, True, app, (app,),
    )  # fmt: skip


CHANGELOGS: tuple[Topic, ...] = (
    changelog("matching", "books"),
    changelog("marketdata", "views"),
    changelog("settlement", "windows"),
)
