"""Puts the parts of the sockets together, once per process."""

import time

import redis.asyncio

from api.catalogue import Catalogue
from api.database import Database
from api.sockets.accounts import Accounts
from api.sockets.client import Parts
from api.sockets.hub import Hub
from api.sockets.limits import Parties
from api.sockets.outlet import Outlets
from api.sockets.radio import Radio
from api.sockets.reception import Reception
from api.sockets.sources import Sources
from api.tokens import AccessTokens
from api.users import Users
from runtime.settings import Settings


def reception(
    settings: Settings,
    views: redis.asyncio.Redis,
    database: Database,
    tokens: AccessTokens,
    users: Users,
    catalogue: Catalogue,
) -> Reception:
    """Nothing runs yet: `works` names what is to be started."""
    radio, outlets = Radio(settings), Outlets()
    parts = Parts(
        hub=Hub(radio, Sources(settings, views, database, catalogue), outlets),
        accounts=Accounts(radio, database, catalogue, outlets),
        outlets=outlets,
        parties=Parties(),
        tokens=tokens,
        users=users,
        catalogue=catalogue,
        clock=time.time,
    )
    return Reception(parts, radio, frozenset(settings.cors_origins))
