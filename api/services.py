"""The parts of the exchange that a call may use, put together once per process."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from api.assets import Assets
from api.attempts import Attempts
from api.background import Background
from api.catalogue import Catalogue
from api.database import Database
from api.holding import Holding
from api.journal import Journal
from api.market_views import MarketViews
from api.outcomes import Outcomes
from api.prices import Prices
from api.reader import Reader
from api.readiness import Readiness
from api.sockets.reception import Reception
from api.tokens import AccessTokens
from api.users import Users
from ledger.orders import Seen
from ledger.reads import Wallet
from ledger.sessions import Profile
from runtime.passwords import Passwords
from runtime.settings import Settings
from runtime.updates import Updates


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    settings: Settings
    background: Background
    database: Database
    readiness: Readiness
    tokens: AccessTokens
    users: Users
    passwords: Passwords
    attempts: Attempts
    catalogue: Catalogue
    prices: Prices
    views: MarketViews
    holding: Holding
    journal: Journal
    outcomes: Outcomes
    orders: Reader[Seen]
    wallets: Reader[Sequence[Wallet]]
    profiles: Reader[Profile]
    assets: Assets
    updates: Updates
    sockets: Reception
    clock: Callable[[], float] = time.time
