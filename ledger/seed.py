"""The demo data of the sandbox: an admin with a known password and some money, three markets, two house prices.

It is made as anybody would make it: an ordinary deposit, ordinary commands. Doing it again changes nothing, and outside
the sandbox, or where others than this machine could reach the admin, it is refused.
"""

import ipaddress

from ledger.accounts import NewUser, create_user, find_user
from ledger.connection import Connection, books
from ledger.listings import NewMarket, add_currency, add_market, list_price
from ledger.queries import query
from ledger.transfer_rules import Refused, TransferRequest
from ledger.transfers import post
from runtime.embedded.program import Broken, Progress, quiet
from runtime.passwords import Passwords
from runtime.settings import Settings
from schemas.money import atoms, market_units

ADMIN = "admin"
PASSWORD = "new_password"  # noqa: S105  -- meant to be known, which is why it needs the sandbox and loopback
OPENING_BALANCE = "1000.00"
QUOTE, SCALE = "USD", 8
TICK_SIZE, LOT_SIZE, MIN_NOTIONAL = "0.01", "0.0001", "0.10"
CURRENCIES = {"BTC": "Bitcoin", "ETH": "Ether", "ABAN": "Aban"}
HOUSE_PRICES = {"BTC": "50000.00", "ABAN": "20.00"}


def refusal(settings: Settings) -> str | None:
    """Why there may be no demo data here; None when there may."""
    if not settings.sandbox:
        return "Demo data has a known admin password, so it is for the sandbox only: set TIDEMARK_SANDBOX=true."
    if not _is_loopback(settings.bind):
        return f"Demo data has a known admin password, and {settings.bind} can be reached by others: use 127.0.0.1."
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


async def seed(settings: Settings, progress: Progress = quiet) -> list[str]:
    """Makes what is missing, and names it."""
    if reason := refusal(settings):
        raise Broken(reason)
    made: list[str] = []
    async with books(settings) as connection, connection.transaction():
        await connection.execute(query("seed.lock"))
        admin_id = await _admin(connection, made)
        await _opening_balance(connection, admin_id, made)
        for base, name in CURRENCIES.items():
            await add_currency(connection, base, name, SCALE)
            await _market(connection, base, settings.kafka_partitions, made)
    for line in made:
        progress(line)
    return made


async def _admin(connection: Connection, made: list[str]) -> int:
    """The admin keeps whatever password he has by now."""
    if (known := await find_user(connection, ADMIN)) is not None:
        return known
    passwords = Passwords(workers=1)
    try:
        password_hash = await passwords.hash(PASSWORD)
    finally:
        passwords.close()
    created = await create_user(connection, NewUser(username=ADMIN, password_hash=password_hash, is_admin=True))
    if created is None:
        raise Broken(f"{ADMIN} was registered in this very moment: try again.")
    made.append(f"admin {ADMIN}")
    return created


async def _opening_balance(connection: Connection, admin_id: int, made: list[str]) -> None:
    result = await post(
        connection,
        TransferRequest(
            kind="deposit",
            user_id=admin_id,
            asset=QUOTE,
            amount_atoms=atoms(OPENING_BALANCE, SCALE, "amount"),
            requested_by=admin_id,
            key="tidemark/opening-balance",
            digest="opening-balance",
        ),
    )
    if isinstance(result, Refused):
        raise Broken(f"The demo deposit was refused: {result.value}.")
    if not result.repeated:
        made.append(f"{OPENING_BALANCE} {QUOTE} for {ADMIN}")


async def _market(connection: Connection, base: str, partitions: int, made: list[str]) -> None:
    units = market_units(TICK_SIZE, LOT_SIZE, SCALE, SCALE)
    market = NewMarket(
        base=base, quote=QUOTE, units=units, min_notional_atoms=atoms(MIN_NOTIONAL, SCALE, "min_notional")
    )
    if await add_market(connection, market, partitions=partitions) is None:
        return
    made.append(f"market {market.symbol}")
    if (price := HOUSE_PRICES.get(base)) is not None:
        await list_price(connection, market.symbol, units.ticks(price))
        made.append(f"house price {price} in {market.symbol}")
