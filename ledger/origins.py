"""Where a difference in the books began: the first transfer, trade or order on its way that is wrong by itself; else
the one that an account or an order was not counted on; else the row, when everything that led to it is in order.
"""

import dataclasses
import datetime
from collections.abc import Sequence

from ledger.connection import Connection
from ledger.queries import query


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """The beginning of a difference. `seq` is the execution of the market that made it, where one did."""

    thing: str
    why: str = ""
    market: str | None = None
    seq: int | None = None
    at: datetime.datetime | None = None

    def __str__(self) -> str:
        place = None if self.seq is None else f"{self.market} seq {self.seq}"
        time = None if self.at is None else f"{self.at:%Y-%m-%d %H:%M:%S.%f} UTC"
        known = "; ".join(part for part in (place, time) if part)
        return f"{self.thing}{known and f' ({known})'}{self.why and f': {self.why}'}"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One contradiction: which invariant, where, what should be there and what is. `is_part` says that it is the thing
    itself that is wrong, and no sum of things; the last fields name what it is about."""

    invariant: str
    place: str
    expected: str
    found: str
    is_part: bool = False
    began: Origin | None = None
    transfer_id: int | None = None
    order_id: int | None = None
    batch_id: str | None = None
    account: str | None = None
    user_id: int | None = None
    market: str | None = None
    asset: str | None = None

    def __str__(self) -> str:
        began = "" if self.began is None else f"; it began with {self.began}"
        return f"{self.invariant}: {self.place} should be {self.expected}, and is {self.found}{began}"


async def origin(connection: Connection, one: Difference, others: Sequence[Difference]) -> Origin:
    """`others` are all differences that were found."""
    parts = [other for other in others if other.is_part]
    if one.invariant == "I2":
        return await _found(connection, query("origins.negative"), one.user_id, one.asset)
    if one.invariant == "I3" and one.account is not None:
        return await _account(connection, one, parts)
    if one.invariant == "I9" and one.order_id is not None and not one.is_part:
        return await _fills(connection, one, parts)
    if one.transfer_id is not None:
        return await _transfer(connection, one.transfer_id, "")
    if one.order_id is not None:
        return await _order(connection, one.order_id)
    if one.batch_id is not None:
        (row,) = await connection.fetch(query("origins.batch"), one.batch_id)
        return Origin(f"batch {one.batch_id}", market=row["market"], at=row["at"])
    return await _orders(connection, one, parts)


async def _account(connection: Connection, one: Difference, parts: Sequence[Difference]) -> Origin:
    """A transfer concerns the account when it has a leg there, or lacks just the leg that would mend it."""
    mine = [part for part in parts if part.transfer_id is not None and part.asset in (None, one.asset)]
    missing = int(one.expected) - int(one.found)
    named = [part for part in mine if _is_about(part, one, missing)]
    return await _found(
        connection,
        query("origins.account"),
        one.account,
        one.user_id,
        one.market,
        one.asset,
        one.found,
        _ids(mine),
        _ids(named),
    )


def _is_about(part: Difference, account: Difference, missing: int) -> bool:
    if part.account is not None:
        return (part.account, part.user_id) == (account.account, account.user_id)
    if part.asset is None:  # a transfer without legs might be anybody's who asked for it
        return account.user_id in (None, part.user_id)
    return part.expected == "0" and int(part.found) == missing


async def _fills(connection: Connection, one: Difference, parts: Sequence[Difference]) -> Origin:
    named = [part for part in parts if part.order_id == one.order_id]
    began = await _found(
        connection, query("origins.fills"), one.order_id, one.found.split()[0], _ids(parts), _ids(named)
    )
    if began.market is None and one.order_id is not None:
        return dataclasses.replace(await _order(connection, one.order_id), why=began.why)
    return began


async def _orders(connection: Connection, one: Difference, parts: Sequence[Difference]) -> Origin:
    """What a user holds, or has pending, comes of his orders."""
    mine = [part for part in parts if (part.user_id, part.asset) == (one.user_id, one.asset)]
    wrong = [part.order_id for part in mine if part.order_id is not None]
    return await _order(connection, min(wrong)) if wrong else Origin("the row itself", "the orders are in order")


async def _found(connection: Connection, sql: str, *about: object) -> Origin:
    (row,) = await connection.fetch(sql, *about)
    if row["transfer_id"] is None:
        until = "" if row["last"] is None else f" up to {await _transfer(connection, row['last'], '')}"
        return Origin("the row itself", f"{row['why']}{until}")
    return await _transfer(connection, row["transfer_id"], row["why"])


async def _transfer(connection: Connection, transfer_id: int, why: str) -> Origin:
    (row,) = await connection.fetch(query("origins.transfer"), transfer_id)
    thing = f"transfer {transfer_id}, {row['kind']}"
    if row["trade_seq"] is not None:
        thing = f"{thing} {row['market']}-{row['trade_seq']}"
    return Origin(thing, why, row["market"], row["seq"], row["at"])


async def _order(connection: Connection, order_id: int) -> Origin:
    row = await connection.fetchrow(query("origins.order"), order_id)
    if row is None:
        return Origin(f"order {order_id}", "there is none")
    return Origin(f"order {order_id}", market=row["market"], seq=row["seq"], at=row["at"])


def _ids(parts: Sequence[Difference]) -> list[int]:
    return sorted({part.transfer_id for part in parts if part.transfer_id is not None})
