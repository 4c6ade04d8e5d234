"""Where feeds look when they have to know: the views in Redis, and trades and candles in the books.

Each question is asked once for all markets that are listened to, however many connections there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis.asyncio

from api.catalogue import Catalogue
from api.database import Database
from ledger import market_data
from runtime.settings import Settings
from schemas import times
from schemas.money import MarketUnits
from schemas.views import HEAD_BYTES, CandleView, PublicTrade, book_key, candle_view, ticker_key


class Sources:
    """Raises what Redis and PostgreSQL raise when they are away."""

    def __init__(
        self, settings: Settings, views: redis.asyncio.Redis, database: Database, catalogue: Catalogue
    ) -> None:
        self._key = settings.redis_key
        self._views = views
        self._database = database
        self._catalogue = catalogue

    async def heads(self, markets: Sequence[str]) -> list[bytes]:
        """The first bytes of these books; empty where there is none."""
        async with self._views.pipeline(transaction=False) as pipeline:
            for market in markets:
                pipeline.getrange(self._key(book_key(market)), 0, HEAD_BYTES - 1)
            found: list[Any] = await pipeline.execute()
        return [bytes(head) for head in found]

    async def books(self, markets: Sequence[str]) -> list[bytes | None]:
        return await self._values([book_key(market) for market in markets])

    async def tickers(self, markets: Sequence[str]) -> list[bytes | None]:
        return await self._values([ticker_key(market) for market in markets])

    async def _values(self, names: Sequence[str]) -> list[bytes | None]:
        found: list[Any] = await self._views.mget([self._key(name) for name in names])
        return [None if value is None else bytes(value) for value in found]

    async def newest_trades(self, markets: Sequence[str]) -> Mapping[str, int]:
        """The number of the newest trade of each market in the books; none where nothing traded."""
        async with self._database.connection() as connection:
            return await market_data.newest_trades(connection, markets)

    async def last_trades(self, market: str, limit: int) -> list[PublicTrade]:
        """The newest ones, oldest first."""
        async with self._database.connection() as connection:
            return await self._shown(market, await market_data.last_trades(connection, market, limit))

    async def trades_after(self, market: str, after: int, limit: int) -> list[PublicTrade]:
        """Those that the books have by now, oldest first."""
        async with self._database.connection() as connection:
            return await self._shown(market, await market_data.trades_after(connection, market, after, limit))

    async def newest_candles(self, keys: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], CandleView]:
        """The newest candle of each market and interval in seconds, where there is one."""
        async with self._database.connection() as connection:
            rows = await market_data.newest_candles(connection, keys)
        return {(row.market, row.interval_s): candle_view(row, await self._units(row.market)) for row in rows}

    async def _units(self, market: str) -> MarketUnits:
        return (await self._catalogue.with_market(market)).market(market, "market").units

    async def _shown(self, market: str, rows: Iterable[market_data.Told]) -> list[PublicTrade]:
        units = await self._units(market)
        return [
            PublicTrade(
                trade_id=f"{market}-{row.trade_seq}",
                trade_seq=row.trade_seq,
                seq=row.seq,
                kind=row.kind,
                price=units.price_text(row.price_ticks),
                amount=units.lots_text(row.lots),
                taker_side=row.taker_side,
                at=times.text(row.at),
            )
            for row in rows
        ]
