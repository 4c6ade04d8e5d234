import asyncio
import dataclasses

import pytest

from ledger.connection import books
from ledger.seed import PASSWORD, refusal, seed
from runtime.embedded.program import Broken
from runtime.passwords import Passwords
from runtime.settings import Settings

EVERYTHING = [
    "admin admin",
    "1000.00 USD for admin",
    "market BTC-USD",
    "house price 50000.00 in BTC-USD",
    "market ETH-USD",
    "market ABAN-USD",
    "house price 20.00 in ABAN-USD",
]


async def test_it_makes_what_is_missing_once_however_many_do_it(database: Settings, pool):
    results = await asyncio.gather(*(seed(database) for _ in range(3)))
    assert sorted(results) == [[], [], EVERYTHING]
    assert await seed(database) == []


async def test_the_admin_has_money_and_a_known_password(database: Settings, pool):
    await seed(database)
    async with books(database) as connection:
        admin = await connection.fetchrow("select id, is_admin, password_hash from users where username = 'admin'")
        wallet = await connection.fetchrow("select available, held from wallets where user_id = $1", admin["id"])
        commands = await connection.fetch(
            "select market, number, kind, arguments->>'price_ticks' from commands order by id"
        )
    assert admin["is_admin"]
    assert await Passwords(workers=1).matches(PASSWORD, admin["password_hash"])
    assert tuple(wallet) == (1000 * 10**8, 0)
    assert [tuple(row) for row in commands] == [
        ("BTC-USD", 1, "open_market", None),
        ("BTC-USD", 2, "list_price", "5000000"),
        ("ETH-USD", 1, "open_market", None),
        ("ABAN-USD", 1, "open_market", None),
        ("ABAN-USD", 2, "list_price", "2000"),
    ]


async def test_a_password_that_was_changed_stays(database: Settings, pool):
    await seed(database)
    async with books(database) as connection:
        await connection.execute("update users set password_hash = 'mine'")
        await seed(database)
        assert await connection.fetchval("select password_hash from users") == "mine"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sandbox": False}, "for the sandbox only"),
        ({"bind": "0.0.0.0"}, "0.0.0.0 can be reached by others"),
        ({"bind": "example.org"}, "example.org can be reached by others"),
    ],
)
async def test_it_is_refused_where_others_could_log_in(space: Settings, changes, reason):
    with pytest.raises(Broken, match=reason):
        await seed(dataclasses.replace(space, **changes))


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_loopback_however_it_is_written(tmp_path, bind):
    assert refusal(Settings(home=tmp_path, bind=bind)) is None
