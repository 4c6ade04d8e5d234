"""The Prometheus registry of this process and the one table of metrics: a metric is a line here and nothing else.

Names begin with `tidemark_` and end with their unit. Labels are few and bounded: never a user, an order or a command.
"""

import dataclasses
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
EVERY = "every process"
AGENTS, MACHINES = "matching, wallet, marketdata, settlement", "matching, marketdata, settlement"
API, WALLET, MARKETDATA, SETTLEMENT, DESK = "api", "wallet", "marketdata", "settlement", "desk"
RUN = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table, for the document and the tests. `by` are the processes that tell it; others show 0."""

    name: str
    kind: str
    by: str
    help: str
    labels: tuple[str, ...]


registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)
GCCollector(registry=registry)

_table: list[Metric] = []


def _counter(by: str, name: str, help: str, *labels: str) -> Counter:  # noqa: A002  # the word of the exposition format
    _table.append(Metric(name, "counter", by, help, labels))
    return Counter(name, help, labels, registry=registry)


def _gauge(by: str, name: str, help: str, *labels: str) -> Gauge:  # noqa: A002  # as above
    _table.append(Metric(name, "gauge", by, help, labels))
    return Gauge(name, help, labels, registry=registry)


def _histogram(by: str, name: str, help: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:  # noqa: A002  # as above
    _table.append(Metric(name, "histogram", by, help, labels))
    return Histogram(name, help, labels, buckets=buckets, registry=registry)


LOG_LINES = _counter(EVERY, "tidemark_log_lines_total", "Lines written to the log.", "level")
LOG_LINES_SUPPRESSED = _counter(
    EVERY, "tidemark_log_lines_suppressed_total", "Lines of a noisy library left out.", "library"
)
LOOP_LAG = _histogram(EVERY, "tidemark_event_loop_lag_seconds", "How late the event loop ran a timer.")
RESTARTS = _gauge(EVERY, "tidemark_process_restarts", "How often the supervisor has started this process again.")
PART_READY = _gauge(EVERY, "tidemark_part_ready", "1 when the part was ready at the last question, else 0.", "part")
TOPIC_DIFFERENCES = _gauge(API, "tidemark_topic_differences", "Differences between the table of topics and the broker.")
LAG = _gauge(
    f"{AGENTS}, {DESK}", "tidemark_lag_records", "Records of a followed partition not applied yet.",
    "topic", "partition",
)  # fmt: skip
NEXT_OFFSET = _gauge(
    AGENTS, "tidemark_next_offset", "Where a followed partition goes on: all below is applied.", "topic", "partition"
)
RECORDS = _counter(AGENTS, "tidemark_journal_records_total", "Records applied, those of a re-execution too.", "topic")
RUN_RECORDS = _histogram(AGENTS, "tidemark_journal_run_records", "Records applied in one pass.", "topic", buckets=RUN)
RUN_SECONDS = _histogram(
    AGENTS, "tidemark_journal_run_seconds", "How long one pass took, with what it wrote and waited for.", "topic"
)
DELAY_SECONDS = _histogram(
    AGENTS, "tidemark_journal_delay_seconds", "How old the newest record of a pass was when it was applied.", "topic"
)
PARKED = _counter(
    MACHINES, "tidemark_journal_parked_total", "Records put aside because they could not be used.", "topic"
)
ALARMS = _counter(
    MACHINES, "tidemark_journal_alarms_total", "Starts that found no usable snapshot where there had been one.", "topic"
)
ROUND_SECONDS = _histogram(
    MACHINES, "tidemark_journal_round_seconds", "How long a snapshot held the event loop.", "topic"
)
ROUND_BYTES = _counter(MACHINES, "tidemark_journal_snapshot_bytes_total", "Bytes of snapshots written.", "topic")
SNAPSHOT_TIME = _gauge(
    MACHINES, "tidemark_journal_snapshot_timestamp_seconds",
    "When the newest snapshot of a partition was acknowledged.", "topic", "partition",
)  # fmt: skip
SNAPSHOT_NEXT = _gauge(
    MACHINES,
    "tidemark_journal_snapshot_next_offset",
    "Where a start from that snapshot would go on.",
    "topic",
    "partition",
)
HTTP_REQUESTS = _counter(
    API, "tidemark_http_requests_total", "Requests answered by the API.", "method", "route", "status"
)
HTTP_SECONDS = _histogram(API, "tidemark_http_request_seconds", "How long the API took to answer.", "route")
COMMANDS_SENT = _counter(
    API, "tidemark_commands_sent_total", "Records that Kafka acknowledged to this API, with repeats."
)
APPEND_SECONDS = _histogram(
    API, "tidemark_journal_append_seconds", "How long Kafka took to acknowledge what an API sent."
)
OUTCOME_SECONDS = _histogram(
    API, "tidemark_outcome_seconds", "From Kafka's acknowledgement to the word of the outcome."
)
COMMANDS_PENDING = _gauge(API, "tidemark_commands_pending", "Commands in the books that nobody has decided yet.")
COMMANDS_OLDEST = _gauge(API, "tidemark_commands_oldest_seconds", "How long the oldest of them has been there.")
COMMANDS_RELAYED = _counter(
    API, "tidemark_commands_relayed_total", "Commands sent again because nobody had decided them."
)
OUTCOMES_POLLED = _counter(
    API, "tidemark_outcomes_polled_total", "Outcomes found in the books before Redis told of them."
)
HOLD_SECONDS = _histogram(API, "tidemark_hold_seconds", "How long a transaction took that placed orders in the books.")
HOLD_BATCH = _histogram(
    API, "tidemark_hold_batch_orders", "Orders placed in the books by one transaction.", buckets=RUN
)

SOCKETS = _gauge(API, "tidemark_sockets", "WebSocket connections that are open.")
SOCKETS_CLOSED = _counter(API, "tidemark_sockets_closed_total", "Connections closed by this API.", "reason")
SOCKET_FRAMES = _counter(API, "tidemark_socket_frames_total", "Frames written to WebSocket connections.")
SOCKET_PASS_SECONDS = _histogram(
    API, "tidemark_socket_pass_seconds", "How long one pass over all waiting sockets worked."
)
SOCKET_RESTARTS = _counter(
    API, "tidemark_socket_feed_restarts_total", "Books read anew because their deltas did not join."
)
VIEW_PASS_SECONDS = _histogram(
    MARKETDATA, "tidemark_view_pass_seconds", "How long one pass over all changed views worked."
)
VIEW_DELAY_SECONDS = _histogram(
    MARKETDATA, "tidemark_view_delay_seconds", "How old the newest change of a book was when Redis had been told of it."
)
VIEWS_HEALED = _counter(MARKETDATA, "tidemark_views_healed_total", "Views that were found missing or changed in Redis.")
WINDOWS_OPEN = _gauge(
    SETTLEMENT, "tidemark_windows_open", "Windows of small purchases that wait for more, in this process."
)
WINDOW_AGE = _gauge(SETTLEMENT, "tidemark_window_age_seconds", "How long the oldest of these windows has been open.")
DESK_ANSWERS = _counter(
    DESK, "tidemark_desk_answers_total", "Words of the outside exchange on a batch: filled, refused; or unknown.",
    "exchange", "answer",
)  # fmt: skip
DESK_ALARMS = _counter(
    DESK, "tidemark_desk_alarms_total", "Batches that a person must look at, each time told.", "exchange"
)
BREAKER_OPEN = _gauge(
    DESK, "tidemark_breaker_open", "1 while the desk leaves an exchange alone after failures.", "exchange"
)
RECONCILE_DIFFERENCES = _gauge(
    WALLET, "tidemark_reconcile_differences", "What the last proof of the books found wrong.", "invariant"
)
RECONCILE_TIME = _gauge(WALLET, "tidemark_reconcile_timestamp_seconds", "When the books were proved last.")
RECONCILE_SECONDS = _gauge(WALLET, "tidemark_reconcile_seconds", "How long that took.")


TABLE: tuple[Metric, ...] = tuple(_table)


def exposition() -> bytes:
    """Everything in the registry, as Prometheus reads it."""
    return generate_latest(registry)


def page() -> str:
    """The text of docs/METRICS.md."""
    rows = [
        f"| `{row.name}` | {row.kind} | {row.by} | {', '.join(row.labels) or 'none'} | {row.help} |" for row in TABLE
    ]
    return "\n".join([*_HEAD, *rows, ""])


_HEAD = (
    "# Metrics",
    "",
    "Written from `runtime/telemetry/metrics.py` by `tidemark documents`; a test compares. Every process of the",
    "exchange serves them at `/metrics`, beside the usual ones of the process, its Python and its garbage collector;",
    "the supervisor has no door, and each process tells how often it was started again. What another process tells",
    "stands there too, as 0: ask those that are named. Labels are bounded: never a user, an order or a command.",
    "",
    "| metric | kind | told by | labels | meaning |",
    "|---|---|---|---|---|",
)
