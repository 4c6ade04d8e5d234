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

# Bob (2) buys a lot from the admin (1) at one tick, without fees: order 2 takes order 3.
TRADE = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    filled_lots, filled_quote_atoms, command_id, client_order_id, body_digest)
values (2, 'BTC-USD', 'limit', 'buy', 1, 1, 'USD', 100, 0, 'filled', 1, 100, 10, 'b', 'd'),
       (1, 'BTC-USD', 'limit', 'sell', 1, 1, 'BTC', 10000, 0, 'filled', 1, 100, 11, 's', 'd');
insert into idempotency_keys values (2, 'b', 'd', 'order', 2), (1, 's', 'd', 'order', 3);
insert into transfers (kind, market, seq, trade_seq) values ('trade', 'BTC-USD', 1, 1);
insert into trades (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
                    taker_user_id, maker_order_id, maker_user_id, at)
values (5, 'BTC-USD', 1, 1, 'book', 1, 1, 100, 'buy', 2, 2, 3, 1, now());
insert into postings (transfer_id, account, user_id, order_id, asset, amount, type)
values (5, 'wallet', 2, 2, 'BTC', 10000, 'trade'), (5, 'wallet', 2, 2, 'USD', -100, 'trade'),
       (5, 'wallet', 1, 3, 'BTC', -10000, 'trade'), (5, 'wallet', 1, 3, 'USD', 100, 'trade');
insert into wallets values (2, 'BTC', 10000, 0, 0);
update wallets set available = available - 10000 where user_id = 1 and asset = 'BTC';
update wallets set available = available - 100 where user_id = 2 and asset = 'USD';
update wallets set available = available + 100 where user_id = 1 and asset = 'USD';
"""


@pytest.fixture
async def traded(connection):
    """And a trade, after two more deposits."""
    for user, asset, atoms in ((1, "BTC", 10_000), (2, "USD", 100)):
        request = TransferRequest(kind="deposit", user_id=user, asset=asset, amount_atoms=atoms, requested_by=user)
        await transfer(connection, request)
    await connection.execute(TRADE)
    assert await differences(connection) == []
    return connection


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "update orders set filled_lots = 0, filled_quote_atoms = 0 where id = 2",
            [Difference("I9", "order 2", "1 100", "0 0")],
        ),
        (
            "update trades set price_ticks = 2",
            [Difference("I9", "trade BTC-USD-1", "200", "100")],
        ),
        (
            "update trades set maker_order_id = 1",
            [
                Difference("I9", "order 1", "1 100", "0 0"),
                Difference("I9", "order 3", "0 0", "1 100"),
                Difference("I9", "trade BTC-USD-1", "order 1 of user 1", "none"),
                Difference("I9", "trade BTC-USD-1 order 1 wallet BTC", "-10000", "0"),
                Difference("I9", "trade BTC-USD-1 order 1 wallet USD", "100", "0"),
                Difference("I9", "trade BTC-USD-1 order 3 wallet BTC", "0", "-10000"),
                Difference("I9", "trade BTC-USD-1 order 3 wallet USD", "0", "100"),
            ],
        ),
        (
            """update postings set amount = amount - 1 where transfer_id = 5 and order_id = 2 and asset = 'USD';
            update postings set amount = amount + 1 where transfer_id = 5 and order_id = 3 and asset = 'USD';
            update wallets set available = available - 1 where user_id = 2 and asset = 'USD';
            update wallets set available = available + 1 where user_id = 1 and asset = 'USD'""",
            [
                Difference("I9", "trade BTC-USD-1 order 2 wallet USD", "-100", "-101"),
                Difference("I9", "trade BTC-USD-1 order 3 wallet USD", "100", "101"),
            ],
        ),
        (
            "update trades set trade_seq = 2; update transfers set trade_seq = 2 where id = 5",
            [Difference("I10", "BTC-USD", "1", "2")],
        ),
        (
            "delete from trades",
            [
                Difference("I9", "order 2", "0 0", "1 100"),
                Difference("I9", "order 3", "0 0", "1 100"),
                Difference("I9", "trade BTC-USD-1 order 2 wallet BTC", "0", "10000"),
                Difference("I9", "trade BTC-USD-1 order 2 wallet USD", "0", "-100"),
                Difference("I9", "trade BTC-USD-1 order 3 wallet BTC", "0", "-10000"),
                Difference("I9", "trade BTC-USD-1 order 3 wallet USD", "0", "100"),
            ],
        ),
    ],
)
async def test_a_trade_that_was_tampered_with_is_found_on_each_side(traded, tampering, found):
    await traded.execute(tampering)
    assert await differences(traded) == found


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
