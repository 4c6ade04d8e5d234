import pytest

from ledger.accounts import NewUser, create_user
from ledger.connection import books
from ledger.reconcile import Difference, differences
from ledger.seed import seed
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime.settings import Settings

ORDER = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    command_id, client_order_id, body_digest)
values (2, 'BTC-USD', 'limit', 'buy', 5, 2, 'USD', 10, 10, 'open', 9, 'mine', 'd');
update wallets set available = available - 10, held = held + 10 where user_id = 2;
insert into idempotency_keys values (2, 'mine', 'd', 'order', 1);
"""


@pytest.fixture
async def connection(database: Settings):
    """The demo data, and a second user who deposited 100 atoms with a key and has an order that holds 10."""
    await seed(database)
    async with books(database) as connection:
        bob = await create_user(connection, NewUser(username="bob"))
        assert bob == 2
        deposit = TransferRequest(kind="deposit", user_id=2, asset="USD", amount_atoms=100, requested_by=2, key="k")
        await transfer(connection, deposit)
        await connection.execute(ORDER)
        yield connection


async def test_books_that_are_right_have_no_differences(connection):
    assert await differences(connection) == []


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "update wallets set available = available + 1 where user_id = 2",
            [Difference("I1", "USD", "0", "1"), Difference("I3", "2 USD", "100 0", "101 0")],
        ),
        (
            "update wallets set pending = 1 where user_id = 2",
            [Difference("I1", "USD", "0", "1"), Difference("I3", "2 USD", "100 0", "100 1")],
        ),
        (
            """alter table wallets drop constraint wallets_available;
            update wallets set available = -1, held = 101 where user_id = 2""",
            [Difference("I2", "2 USD", "0 or more", "-1 101 0"), Difference("I4", "2 USD", "10", "101")],
        ),
        (
            "update postings set amount = 99 where user_id = 2",
            [Difference("I3", "transfer 2 USD", "0", "-1"), Difference("I3", "2 USD", "99 0", "100 0")],
        ),
        (
            "delete from postings where transfer_id = 2",
            [
                Difference("I3", "transfer 2", "legs", "none"),
                Difference("I3", "2 USD", "0 0", "100 0"),
                Difference("I3", "deposits  USD", "-100000000000", "-100000000100"),
            ],
        ),
        (
            "delete from transfers where id = 2",
            [
                Difference("I3", "posting 3", "transfer 2", "none"),
                Difference("I3", "posting 4", "transfer 2", "none"),
                Difference("I7", "key k of user 2", "transfer 2", "none"),
            ],
        ),
        (
            "update system_accounts set balance = balance - 1",
            [
                Difference("I1", "USD", "0", "-1"),
                Difference("I3", "deposits  USD", "-100000000100", "-100000000101"),
            ],
        ),
        ("update orders set held_remaining = 9", [Difference("I4", "2 USD", "9", "10")]),
        (
            "update wallets set available = available + 10, held = 0 where user_id = 2",
            [Difference("I4", "2 USD", "10", "0")],
        ),
        ("delete from idempotency_keys where key = 'mine'", [Difference("I7", "order 1", "its key", "none")]),
        ("delete from idempotency_keys where key = 'k'", [Difference("I7", "transfer 2", "its key", "none")]),
        (
            "update idempotency_keys set digest = 'e' where key = 'mine'",
            [Difference("I7", "key mine of user 2", "order 1", "none")],
        ),
    ],
)
async def test_tampering_is_found_and_named(connection, tampering, found):
    await connection.execute(tampering)
    assert await differences(connection) == found


def test_a_difference_is_a_sentence():
    assert str(Difference("I1", "USD", "0", "1")) == "I1: USD should be 0, and is 1"
