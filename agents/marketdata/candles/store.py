"""The candles in PostgreSQL: a run of trades and its watermarks enter in one transaction, or neither does.

So every trade is counted once, whoever is killed when, and a restored database simply gets the later trades again.
"""

from collections.abc import Callable, Mapping, Sequence

from asyncpg import exceptions

from agents.marketdata.candles.fold import fold
from ledger import market_data, watermarks
from ledger.connection import Connection
from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from runtime.postgres import UNWELL, Pool, transaction
from schemas.candles import Candle
from schemas.money import MarketUnits
from schemas.trades import Trade
from schemas.views import CandleView, candle_view

CONSUMER = "candles"


class CandleStore:
    """What the sink of the trades writes to. `tell` gets the candles that have changed, after the commit."""

    def __init__(self, connections: Callable[[], Pool], tell: Callable[[Sequence[CandleView]], None]) -> None:
        self._connections = connections
        self._tell = tell
        self._units: dict[str, MarketUnits] = {}

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        try:
            async with transaction(self._connections()) as connection:
                return await watermarks.read(connection, CONSUMER, topic, partition)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL does not say how far the candles are: {error!r}") from error

    async def apply(self, run: Run[Trade]) -> None:
        try:
            async with transaction(self._connections()) as connection:
                await watermarks.hold(connection, CONSUMER, run.topic, run.partition, run.before)
                await self._learn(connection, run)
                changed = await market_data.add_candles(
                    connection, fold((told.value for told in run.records), self._units)
                )
                await watermarks.move(connection, CONSUMER, run.topic, run.partition, run.after)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL did not take a run of trades: {error!r}") from error
        except exceptions.IntegrityConstraintViolationError as error:
            raise Broken(f"the trades contradict the candles: {error}") from error
        self._announce(changed)

    async def _learn(self, connection: Connection, run: Run[Trade]) -> None:
        unknown = [market for market in run.after if market not in self._units]
        if unknown:
            self._units |= await market_data.units(connection, unknown)
        if missing := [market for market in run.after if market not in self._units]:
            raise NotYet(f"the books do not know {', '.join(sorted(missing))}")

    def _announce(self, changed: Sequence[Candle]) -> None:
        self._tell([candle_view(candle, self._units[candle.market]) for candle in changed])
