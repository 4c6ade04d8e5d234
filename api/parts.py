"""Opens and closes what calls need, and puts together the questions that `/ready` asks. No server needs to be there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import redis.asyncio

from api.assets import Assets
from api.attempts import Attempts
from api.background import Background
from api.catalogue import Catalogue
from api.database import Database, Pool
from api.holding import Holding
from api.journal import Journal
from api.listings import Listings
from api.market_views import MarketViews, RedisViews
from api.outcomes import Outcomes
from api.preparation import Preparation
from api.prices import Prices
from api.reader import Reader
from api.readiness import Readiness
from api.relay import Relay
from api.services import Services
from api.sockets.opening import reception
from api.tokens import AccessTokens
from api.users import Users
from ledger import migrate, orders, reads, sessions
from ledger.outbox import Outbox
from runtime import kafka, postgres
from runtime import redis as redis_edge
from runtime.passwords import Passwords
from runtime.settings import Settings
from runtime.telemetry.site import watch_lag
from runtime.updates import Updates

POOL_SIZE = 16
CLOSE_S = 3.0


@contextlib.asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Everything, opened in order and closed in the opposite order."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await postgres.pool(settings, min_size=0, max_size=POOL_SIZE, application="api")
        stack.push_async_callback(_close, pool)
        views = redis_edge.client(settings, name="api")
        stack.push_async_callback(views.aclose)
        passwords = Passwords()
        stack.callback(passwords.close)
        database = Database(pool)
        profiles = Reader(database, sessions.profiles, "user")
        source = Source(database, views, settings)
        listings = Listings(settings, views, database)
        preparation = Preparation(settings, database, migrate.read_migrations())
        journal = Journal(settings)
        outcomes = Outcomes(settings, source.decided)
        holding = Holding(pool, settings.max_open_orders)
        stack.push_async_callback(holding.close)
        background = Background()
        stack.push_async_callback(background.close)
        background.start(preparation.make_topics(), "topics")
        background.start(journal.keep(), "journal")
        assets = Assets()
        background.start(assets.fetch(), "assets")
        background.start(outcomes.listen(), "outcomes by Redis")
        background.start(outcomes.poll(), "outcomes by poll")
        background.start(Relay(database, journal, outcomes.reply).for_ever(), "relay")
        background.start(Outbox(settings, pool).for_ever(), "outbox")
        background.start(watch_lag(), "lag")
        updates = Updates(settings, views, "api")
        background.start(updates.run(), "updates")
        tokens, users, catalogue = (
            AccessTokens(settings.jwt_secret_key),
            Users(profiles.find),
            Catalogue(listings.fetch),
        )
        sockets = reception(settings, views, database, tokens, users, catalogue)
        for work, name in sockets.works():
            background.start(work, name)
        yield Services(
            settings=settings,
            background=background,
            database=database,
            readiness=_readiness(settings, pool, views, preparation, journal),
            tokens=tokens,
            users=users,
            passwords=passwords,
            attempts=Attempts(),
            catalogue=catalogue,
            prices=Prices(source.book, source.last_price),
            views=MarketViews(RedisViews(settings, views)),
            holding=holding,
            journal=journal,
            outcomes=outcomes,
            orders=Reader(database, orders.seen, "order"),
            wallets=Reader(database, reads.wallets, "wallet"),
            profiles=profiles,
            assets=assets,
            updates=updates,
            sockets=sockets,
        )


def _readiness(
    settings: Settings, pool: Pool, views: redis.asyncio.Redis, preparation: Preparation, journal: Journal
) -> Readiness:
    return Readiness(
        {
            "postgres": lambda: postgres.ready(pool),
            "migrations": preparation.migrations,
            "kafka": lambda: kafka.ready(settings),
            "topics": preparation.topics,
            "journal": journal.ready,
            "redis": lambda: redis_edge.ready(views),
        }
    )


async def _close(pool: Pool) -> None:
    """In order when PostgreSQL is there, at once when it is not."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


class Source:
    """The questions that caches and waiters ask of the books and the views."""

    def __init__(self, database: Database, views: redis.asyncio.Redis, settings: Settings) -> None:
        self._database = database
        self._views = views
        self._settings = settings

    async def decided(self, command_ids: Sequence[int]) -> list[int]:
        async with self._database.connection() as connection:
            return await orders.decided(connection, command_ids)

    async def last_price(self, symbol: str) -> int | None:
        async with self._database.connection() as connection:
            return await orders.last_price_ticks(connection, symbol)

    async def book(self, symbol: str) -> bytes | None:
        """The view of the book; None when it, or Redis, is away."""
        try:
            view = await self._views.get(self._settings.redis_key(f"book:{symbol}"))
        except redis_edge.UNWELL:
            return None
        return view.encode() if isinstance(view, str) else view
