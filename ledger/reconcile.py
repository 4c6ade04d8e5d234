"""Proves from the books alone that no atom is missing or extra: each invariant is a query for what contradicts it."""

import dataclasses
from collections.abc import Callable

from ledger.connection import Connection
from ledger.queries import query

INVARIANTS = {
    "I1": (query("reconcile.I1"),),
    "I2": (query("reconcile.I2"),),
    "I3": (query("reconcile.I3_transfers"), query("reconcile.I3_wallets"), query("reconcile.I3_system")),
    "I4": (query("reconcile.I4"),),
    "I7": (query("reconcile.I7"),),
    "I9": (query("reconcile.I9_orders"), query("reconcile.I9_values"), query("reconcile.I9_legs")),
    "I10": (query("reconcile.I10"),),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One contradiction: which invariant, where, what should be there and what is."""

    invariant: str
    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.place} should be {self.expected}, and is {self.found}"


def quiet(_done: int, _total: int, _invariant: str) -> None:
    """Progress for nobody."""


async def differences(connection: Connection, progress: Callable[[int, int, str], None] = quiet) -> list[Difference]:
    """All contradictions as of one moment; none, when the books are right."""
    asked = [(invariant, sql) for invariant, queries in INVARIANTS.items() for sql in queries]
    found: list[Difference] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for number, (invariant, sql) in enumerate(asked):
            progress(number, len(asked), invariant)
            found += [Difference(invariant, **row) for row in await connection.fetch(sql)]
    progress(len(asked), len(asked), "")
    return found
