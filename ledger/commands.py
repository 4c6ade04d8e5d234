"""A command's row, and the record of the journal that it stands for: the same row gives the same record, every time.

So a command that may have been sent already can be sent again, by any instance, and the engine knows it by its number.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ledger.connection import Connection
from ledger.hold_rules import NewOrder, Placed
from ledger.queries import query
from schemas.commands import RULES_VERSIONS, BuyFromHouse, Hold, Numbered, PlaceOrder

ORDER_FIELDS = (
    "side", "lots", "quote_atoms", "price_ticks", "time_in_force", "post_only", "self_trade",
    "placed_by", "client_order_id", "body_digest",
)  # fmt: skip
BOOK_FIELDS = ("side", "kind", "quote_atoms", "time_in_force", "post_only", "self_trade")


@dataclasses.dataclass(frozen=True, slots=True)
class JournalRecord:
    """What to send, and the partition to send it to."""

    partition: int
    command: Numbered


@dataclasses.dataclass(frozen=True, slots=True)
class CommandRow:
    """The id by which a client asks for the outcome, and the number in the market."""

    command_id: int
    number: int


async def add_command(
    connection: Connection,
    market: str,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    user_id: int | None = None,
    order_id: int | None = None,
) -> CommandRow:
    """Writes the row of any command but those that place an order, which go with their hold.

    A version of the rules that this release lacks would stop the market for good, so it never gets as far as a row.
    """
    if (version := arguments.get("rules_version")) is not None and version not in RULES_VERSIONS:
        raise LookupError(f"this release has no rules version {version}")
    text = msgspec.json.encode(arguments).decode()
    row = await connection.fetchrow(query("commands.add"), market, kind, user_id, order_id, text)
    if row is None:
        raise LookupError(f"there is no market {market}")
    return CommandRow(row["id"], row["number"])


async def journal_records(connection: Connection, command_ids: Sequence[int]) -> list[JournalRecord]:
    """The records of these commands, per market in the order of their numbers."""
    rows = await connection.fetch(query("commands.get"), command_ids)
    return [JournalRecord(row["partition"], command_of(dict(row))) for row in rows]


async def states(connection: Connection, command_ids: Sequence[int]) -> dict[int, dict[str, str | None]]:
    """State and outcome of those of these commands that are in the books."""
    rows = await connection.fetch(query("commands.states"), command_ids)
    return {row["id"]: {"state": row["state"], "outcome": row["outcome"]} for row in rows}


def placing(order: NewOrder, placed: Placed, partition: int, reply: str = "") -> JournalRecord:
    """The record of an order placed just now, without asking the books for what we have just told them."""
    said: dict[str, Any] = {
        "market": order.market,
        "command_id": placed.command_id,
        "number": placed.number,
        "order_id": placed.order_id,
        "user_id": order.user_id,
        "lots": order.lots,
        "price_ticks": order.price_ticks,
        "hold": Hold(order.hold_asset, order.hold_atoms),
        "placed_by": order.placed_by,
        "client_order_id": order.key,
        "body_digest": order.digest,
        "reply": reply,
    }
    if order.kind == "purchase":
        return JournalRecord(partition, BuyFromHouse(**said))
    said |= {name: getattr(order, name) for name in BOOK_FIELDS}
    return JournalRecord(partition, PlaceOrder(**said))


def command_of(row: Mapping[str, Any]) -> Numbered:
    """The command that a row stands for."""
    fields = {name: row[name] for name in ("market", "number", "user_id", "order_id")}
    fields |= {"type": row["kind"], "command_id": row["id"]} | msgspec.json.decode(row["arguments"])
    if row["kind"] in ("place_order", "buy_from_house"):
        fields |= {name: row[name] for name in ORDER_FIELDS}
        fields |= {"kind": row["order_kind"], "hold": {"asset": row["hold_asset"], "atoms": row["hold_atoms"]}}
    return msgspec.convert(fields, Numbered)  # type: ignore[no-any-return]  # a union is a type to msgspec
