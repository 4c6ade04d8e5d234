"""Currencies, markets and house prices, copied to Redis for all instances: a copy that is used only when it is new.

The books say by two small numbers which state of the lists is theirs; who knows that state already reads nothing more.
An older copy never takes the place of a newer one, and without Redis the books answer alone.
"""

import logging
from typing import Any, NamedTuple

import msgspec
import redis.asyncio

from api.database import Database
from ledger import reads
from ledger.reads import Currency, Market
from runtime.redis import UNWELL
from runtime.settings import Settings
from schemas.views import LISTINGS

KEPT_S = 3600
REPLACE = """
local version = tonumber(string.match(redis.call('GETRANGE', KEYS[1], 0, 63), '^{"version":(%d+),'))
if version and version > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
log = logging.getLogger("api")


class Lists(NamedTuple):
    """All that is listed, as of one moment."""

    currencies: list[Currency]
    markets: list[Market]


class Copy(msgspec.Struct, frozen=True):
    """What is in Redis; the version stands in its first bytes."""

    version: int
    newest_us: int
    currencies: list[Currency]
    markets: list[Market]


_decoder = msgspec.json.Decoder(Copy)


class Listings:
    """The same object is given as long as nothing has changed."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis, database: Database) -> None:
        self._key = settings.redis_key(LISTINGS)
        self._redis = connection
        self._database = database
        self._known: tuple[reads.ListingVersion, Lists] | None = None

    async def fetch(self) -> Lists:
        """What is committed now."""
        async with self._database.connection() as connection:
            version = await reads.listing_version(connection)
        if self._known is None or self._known[0] != version:
            self._known = await self._copied(version) or await self._read()
        return self._known[1]

    async def _copied(self, version: reads.ListingVersion) -> tuple[reads.ListingVersion, Lists] | None:
        """The copy in Redis, when it is of this state."""
        try:
            value: Any = await self._redis.get(self._key)
            copy = None if value is None else _decoder.decode(value)
        except UNWELL:
            return None
        except msgspec.DecodeError:
            log.warning("the copy of the lists in Redis cannot be read; it will be replaced")
            return None
        if copy is None or (copy.version, copy.newest_us) != version:
            return None
        return version, Lists(copy.currencies, copy.markets)

    async def _read(self) -> tuple[reads.ListingVersion, Lists]:
        """All three of one moment, from the books; and a copy for the others."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            version = await reads.listing_version(connection)
            lists = Lists(await reads.currencies(connection), await reads.markets(connection))
        value = msgspec.json.encode(Copy(*version, *lists))
        try:
            await self._redis.eval(REPLACE, 1, self._key, str(version.version), value, str(KEPT_S))
        except UNWELL as error:
            log.debug("the lists are not copied to Redis: %r", error)
        return version, lists
