"""Proves from the books alone that no atom is missing or extra: each invariant is a query for what contradicts it.

All are asked in one snapshot. Of what is found it says where it began, which is seldom where it is seen.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.connection import Connection
from ledger.origins import Difference, Origin, origin
from ledger.queries import query

TRACED = 100
"""So many differences of a check are followed to their beginning; more of them are only named."""


class Check(NamedTuple):
    """A query for contradictions: of things that are wrong by themselves, or of sums of things."""

    invariant: str
    sql: str
    of_parts: bool = False


CHECKS = (
    Check("I1", query("reconcile.I1")),
    Check("I2", query("reconcile.I2")),
    Check("I3", query("reconcile.I3_transfers"), of_parts=True),
    Check("I3", query("reconcile.I3_accounts")),
    Check("I4", query("reconcile.I4_orders"), of_parts=True),
    Check("I4", query("reconcile.I4_wallets")),
    Check("I7", query("reconcile.I7")),
    Check("I8", query("reconcile.I8"), of_parts=True),
    Check("I9", query("reconcile.I9_orders")),
    Check("I9", query("reconcile.I9_sides"), of_parts=True),
    Check("I9", query("reconcile.I9_values"), of_parts=True),
    Check("I9", query("reconcile.I9_legs"), of_parts=True),
    Check("I10", query("reconcile.I10")),
    Check("I15", query("reconcile.I15_pending")),
    Check("I15", query("reconcile.I15_purchases"), of_parts=True),
    Check("I15", query("reconcile.I15_batches")),
)
INVARIANTS = tuple(dict.fromkeys(check.invariant for check in CHECKS))


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """How much was looked at, and what contradicts itself: nothing, when the books are right."""

    counts: dict[str, int]
    differences: list[Difference]

    def first(self) -> Origin | None:
        """Where the oldest difference began."""
        return _earliest(self.differences)


def _quiet(_done: int) -> None:
    """Progress for nobody."""


async def reconcile(connection: Connection, progress: Callable[[int], None] = _quiet) -> Report:
    """As of one moment; `progress` is told how many of CHECKS are done."""
    found: list[list[Difference]] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for number, (invariant, sql, of_parts) in enumerate(CHECKS):
            progress(number)
            rows = await connection.fetch(sql)
            found.append([Difference(invariant, is_part=of_parts, **row) for row in rows])
        (counted,) = await connection.fetch(query("reconcile.counts"))
        report = Report(dict(counted), await _traced(connection, found))
    progress(len(CHECKS))
    return report


async def differences(connection: Connection) -> list[Difference]:
    """All contradictions; none, when the books are right."""
    return (await reconcile(connection)).differences


async def _traced(connection: Connection, found: Sequence[Sequence[Difference]]) -> list[Difference]:
    everything = list(itertools.chain.from_iterable(found))
    traced: list[Difference] = []
    for of_check in found:
        for number, one in enumerate(of_check):
            is_traced = number < TRACED and one.invariant != "I1"
            began = await origin(connection, one, everything) if is_traced else None
            traced.append(dataclasses.replace(one, began=began))
    return [_of_asset(one, traced) for one in traced]


def _of_asset(one: Difference, all_found: Sequence[Difference]) -> Difference:
    """An asset that does not cancel out began where its first account parted from its postings."""
    if one.invariant != "I1":
        return one
    in_asset = [other for other in all_found if other.asset == one.asset and other.invariant == "I3"]
    return dataclasses.replace(one, began=_earliest(in_asset))


def _earliest(all_found: Sequence[Difference]) -> Origin | None:
    """What has no time comes last: only a row can have none."""
    origins = [one.began for one in all_found if one.began is not None]
    dated = [(began.at, number) for number, began in enumerate(origins) if began.at is not None]
    if dated:
        return origins[min(dated)[1]]
    return origins[0] if origins else None
