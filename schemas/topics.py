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
    "matching", ("marketdata", "downstream systems"),
)  # fmt: skip
BATCHES = Topic(
    "exchange.batches", MARKET, "a purchase joined a window, or a batch closed", Retention.FOR_EVER, True,
    "settlement", ("wallet",),
)  # fmt: skip
FILLS = Topic(
    "exchange.fills", MARKET, "what the outside exchange said of a batch", Retention.FOR_EVER, True,
    "desk", ("wallet",),
)  # fmt: skip
LEDGER_ENTRIES = Topic(
    "ledger.entries", USER, "an account, admin, currency, deposit, withdrawal or adjustment", Retention.FOR_EVER, True,
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


def page() -> str:
    """The text of docs/TOPICS.md."""
    rows = [_row(topic) for topic in (*TOPICS, *CHANGELOGS)]
    settings = [f"* {retention.value}: {_settings(retention)}" for retention in Retention]
    return "\n".join([*_HEAD, *rows, "", "## How they are set", "", *settings, "", *_FOOT, ""])


def _row(topic: Topic) -> str:
    cells = (
        f"`{topic.name}`",
        topic.key,
        topic.value,
        topic.writer,
        ", ".join(topic.readers),
        topic.retention.value,
        "yes" if topic.flush else "no",
    )
    return f"| {' | '.join(cells)} |"


def _settings(retention: Retention) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in RETENTIONS[retention].items())


_HEAD = (
    "# Topics",
    "",
    "Written from `schemas/topics.py` by `tidemark documents`; a test compares. Values are JSON with their schema",
    "version in the header `v`; changelogs are bytes. A market's records are all in one partition, fixed when the",
    "market opens, and every producer names it. All topics have `KAFKA_PARTITIONS` partitions (8 by default) and",
    "`KAFKA_REPLICATION` replicas (1 by default). In a name space its name and a dot precede every topic's.",
    "",
    "| topic | key | value | written by | read by | kept | flushed |",
    "|---|---|---|---|---|---|---|",
)
_FOOT = (
    "And for every topic: `message.timestamp.type=LogAppendTime` (the broker's clock is the market's),",
    "`unclean.leader.election.enable=false`, `min.insync.replicas=1`, or 2 from three replicas on. A flushed topic has",
    "`flush.messages=1`: the broker writes each batch to the disk before it acknowledges it, so that an acknowledged",
    "record survives a power cut even on one node. `JOURNAL_FLUSH=false` gives that up for speed.",
    "",
    "`trades` is a public contract: each value keeps `docs/trades-1.schema.json`, where 1 is the version in the header",
    "`v`, and is never changed. Records come at least once and in order: the highest `trade_seq` per market drops the",
    "repeats, and `docs/examples/follow_trades.py` does it.",
    "",
    "Topics are created at every start where they are missing. A difference between this table and the broker is told",
    "in one sentence each at every start and never changed: `kafka-configs.sh --alter` does that, when you are sure.",
)
