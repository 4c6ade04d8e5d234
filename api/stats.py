"""The caller's own activity: counts and volumes by day and in total."""

import collections
import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from api.call import Call
from api.catalogue import Listing
from api.routing import Policy, Routes
from ledger import reads
from schemas.bodies.stats import Activity, Day, Stats

routes = Routes("accounts")


@dataclasses.dataclass(slots=True)
class _Sum:
    """What is added up for one kind of thing."""

    count: int = 0
    volume: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


Sums = collections.defaultdict[str, _Sum]


@routes.get("accounts/stats", Policy.READ, answer=Stats)
async def stats(call: Call) -> Stats:
    """Counts and volumes of the caller's orders, purchases and trades."""
    async with call.services.database.connection() as connection:
        orders = await reads.order_stats(connection, call.user.id)
        trades = await reads.trade_stats(connection, call.user.id)
    return summary(orders, trades, await call.services.catalogue.recent())


def summary(orders: Iterable[reads.OrderStats], trades: Iterable[reads.TradeStats], listing: Listing) -> Stats:
    """Adds up rows per day, kind and quote asset."""
    days: collections.defaultdict[datetime.date, Sums] = collections.defaultdict(lambda: collections.defaultdict(_Sum))
    total: Sums = collections.defaultdict(_Sum)
    rows: list[tuple[reads.OrderStats | reads.TradeStats, str]] = [
        *((row, "purchases" if row.is_purchase else "orders") for row in orders),
        *((row, "trades") for row in trades),
    ]
    for row, kind in rows:
        for sums in (days[row.day], total):
            sums[kind].count += row.count
            sums[kind].volume[row.asset] += row.volume
    return Stats(
        total=Activity(**_activity(total, listing)),
        days=[Day(date=day.isoformat(), **_activity(days[day], listing)) for day in sorted(days, reverse=True)],
    )


def _activity(sums: Sums, listing: Listing) -> dict[str, Any]:
    counts = {kind: sums[kind].count for kind in ("orders", "purchases", "trades")}
    volumes = {
        f"{kind.removesuffix('s')}_volume": {
            asset: listing.amount(asset, atoms) for asset, atoms in sorted(sums[kind].volume.items()) if atoms
        }
        for kind in counts
    }
    return {**counts, **volumes}
