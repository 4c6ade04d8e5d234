"""Right books, and one thing tampered with at a time: it must be found and named, and so must where it began."""

import pytest

from ledger.accounts import NewUser, create_user
from ledger.connection import books
from ledger.origins import Difference, Origin
from ledger.reconcile import differences, reconcile
from ledger.seed import seed
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime.settings import Settings

pytestmark = pytest.mark.tampers

# Bob (2) wants a lot at one tick: order 1 holds 100. Its command is no part of this.
ORDER = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    command_id, client_order_id, body_digest)
values (2, 'BTC-USD', 'limit', 'buy', 1, 1, 'USD', 100, 100, 'open', 9, 'mine', 'd');
update wallets set available = available - 100, held = held + 100 where user_id = 2;
insert into idempotency_keys values (2, 'mine', 'd', 'order', 1);
"""

# Bob (2) buys a lot from the admin (1) at one tick, without fees: order 2 takes order 3.
TRADE = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    filled_lots, filled_quote_atoms, command_id, client_order_id, body_digest)
values (2, 'BTC-USD', 'limit', 'buy', 1, 1, 'USD', 100, 0, 'filled', 1, 100, 10, 'b', 'd'),
       (1, 'BTC-USD', 'limit', 'sell', 1, 1, 'BTC', 10000, 0, 'filled', 1, 100, 11, 's', 'd');
insert into idempotency_keys values (2, 'b', 'd', 'order', 2), (1, 's', 'd', 'order', 3);
insert into transfers (kind, market, seq, trade_seq) values ('trade', 'BTC-USD', 8, 1);
insert into trades (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
                    taker_user_id, maker_order_id, maker_user_id, at)
values (5, 'BTC-USD', 1, 8, 'book', 1, 1, 100, 'buy', 2, 2, 3, 1, now());
insert into postings (transfer_id, account, user_id, order_id, asset, amount, type)
values (5, 'wallet', 2, 2, 'BTC', 10000, 'trade'), (5, 'wallet', 2, 2, 'USD', -100, 'trade'),
       (5, 'wallet', 1, 3, 'BTC', -10000, 'trade'), (5, 'wallet', 1, 3, 'USD', 100, 'trade');
insert into wallets values (2, 'BTC', 10000, 0, 0);
update wallets set available = available - 10000 where user_id = 1 and asset = 'BTC';
update wallets set available = available - 100 where user_id = 2 and asset = 'USD';
update wallets set available = available + 100 where user_id = 1 and asset = 'USD';
"""

# Bob buys a lot of ABAN from the house at one tick (order 4, transfer 7), which is bought outside and delivered.
PURCHASE = """
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    filled_lots, filled_quote_atoms, command_id, client_order_id, body_digest, batch_id, batch_line)
values (2, 'ABAN-USD', 'purchase', 'buy', 1, 1, 'USD', 100, 0, 'completed', 1, 100, 12, 'p', 'd', 'ABAN-USD-1', 1);
insert into idempotency_keys values (2, 'p', 'd', 'order', 4);
insert into transfers (kind, market, seq, trade_seq, batch_id) values
    ('purchase', 'ABAN-USD', 3, 1, null), ('delivery', 'ABAN-USD', null, null, 'ABAN-USD-1'),
    ('exchange', 'ABAN-USD', null, null, 'ABAN-USD-1');
insert into trades (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side, taker_order_id,
                    taker_user_id, at)
values (7, 'ABAN-USD', 1, 3, 'house', 1, 1, 100, 'buy', 4, 2, now());
insert into postings (transfer_id, account, user_id, market, order_id, asset, amount, type)
values (7, 'wallet', 2, null, 4, 'USD', -100, 'purchase'), (7, 'house', null, 'ABAN-USD', null, 'USD', 100, null),
       (7, 'pending', 2, null, 4, 'ABAN', 10000, null), (7, 'house', null, 'ABAN-USD', null, 'ABAN', -10000, null),
       (8, 'pending', 2, null, 4, 'ABAN', -10000, null), (8, 'wallet', 2, null, 4, 'ABAN', 10000, 'purchase'),
       (9, 'house', null, 'ABAN-USD', null, 'ABAN', 10000, null),
       (9, 'exchange_payable', null, 'ABAN-USD', null, 'ABAN', -10000, null),
       (9, 'house', null, 'ABAN-USD', null, 'USD', -100, null),
       (9, 'exchange_payable', null, 'ABAN-USD', null, 'USD', 100, null);
insert into wallets values (2, 'ABAN', 10000, 0, 0);
update wallets set available = available - 100 where user_id = 2 and asset = 'USD';
insert into system_accounts values ('house', 'ABAN-USD', 'USD', 0), ('house', 'ABAN-USD', 'ABAN', 0),
    ('exchange_payable', 'ABAN-USD', 'ABAN', -10000), ('exchange_payable', 'ABAN-USD', 'USD', 100);
insert into batches (id, market, number, lots, notional_atoms, state, filled_atoms, created_at, closed_at, settled_at)
values ('ABAN-USD-1', 'ABAN-USD', 1, 1, 100, 'filled', 10000, now(), now(), now());
"""
DEPOSITED = "transfer 2, deposit"
TRADED = "transfer 5, trade BTC-USD-1"
BY_ITSELF = "it is wrong by itself"
NOTHING_POSTED = "all that was posted to it is in order"
IN_ORDER = f"all that was posted to it is in order up to {DEPOSITED}"


@pytest.fixture
async def connection(database: Settings):
    """The demo data, and a second user who deposited 100 atoms with a key, all of which his order holds."""
    await seed(database)
    async with books(database) as connection:
        bob = await create_user(connection, NewUser(username="bob"))
        assert bob == 2
        await transfer(connection, deposit(2, "USD", 100, "k"))
        await connection.execute(ORDER)
        yield connection


@pytest.fixture
async def traded(connection):
    """And a trade, after two more deposits."""
    await transfer(connection, deposit(1, "BTC", 10_000))
    await transfer(connection, deposit(2, "USD", 100))
    await connection.execute(TRADE)
    assert await differences(connection) == []
    return connection


@pytest.fixture
async def purchased(traded):
    """And a purchase, after another deposit."""
    await transfer(traded, deposit(2, "USD", 100))
    await traded.execute(PURCHASE)
    assert await differences(traded) == []
    return traded


def deposit(user_id: int, asset: str, atoms: int, key: str | None = None) -> TransferRequest:
    return TransferRequest(
        kind="deposit", user_id=user_id, asset=asset, amount_atoms=atoms, requested_by=user_id, key=key
    )


async def found(connection) -> list[tuple[str, ...]]:
    """Each difference, and where it began; when that was is another test's."""
    return [
        (one.invariant, one.place, one.expected, one.found, one.began.thing, one.began.why.partition(" (")[0])
        for one in await differences(connection)
    ]


async def test_books_that_are_right_have_no_differences(connection):
    report = await reconcile(connection)
    assert (report.differences, report.first()) == ([], None)
    assert report.counts == {"assets": 1, "wallets": 2, "transfers": 2, "orders": 1, "trades": 0, "batches": 0}


@pytest.mark.parametrize(
    ("tampering", "wrong"),
    [
        (
            "update wallets set available = available + 1 where user_id = 2",
            [
                ("I1", "all USD", "0", "1", "the row itself", IN_ORDER),
                ("I3", "wallet of user 2 in USD", "100", "101", "the row itself", IN_ORDER),
            ],
        ),
        (
            "update wallets set pending = 1 where user_id = 2",
            [
                ("I1", "all USD", "0", "1", "the row itself", NOTHING_POSTED),
                ("I3", "pending of user 2 in USD", "0", "1", "the row itself", NOTHING_POSTED),
                ("I15", "pending of user 2 in USD", "0", "1", "the row itself", "the orders are in order"),
            ],
        ),
        (
            """alter table wallets drop constraint wallets_available;
            update wallets set available = -1, held = 101 where user_id = 2""",
            [
                ("I2", "wallet of user 2 in USD", "0 or more", "-1 101 0", "the row itself", IN_ORDER),
                ("I4", "hold of user 2 in USD", "100", "101", "the row itself", "the orders are in order"),
            ],
        ),
        (
            "update postings set amount = 99 where user_id = 2",
            [
                ("I3", "transfer 2 in USD", "0", "-1", DEPOSITED, ""),
                ("I3", "wallet of user 2 in USD", "99", "100", DEPOSITED, BY_ITSELF),
            ],
        ),
        (
            "delete from postings where transfer_id = 2 and user_id = 2",
            [
                ("I3", "transfer 2 in USD", "0", "-100", DEPOSITED, ""),
                ("I3", "wallet of user 2 in USD", "0", "100", DEPOSITED, BY_ITSELF),
            ],
        ),
        (
            "delete from postings where transfer_id = 2",
            [
                ("I3", "transfer 2", "legs", "none", DEPOSITED, ""),
                ("I3", "wallet of user 2 in USD", "0", "100", DEPOSITED, BY_ITSELF),
                ("I3", "deposits in USD", "-100000000000", "-100000000100", DEPOSITED, BY_ITSELF),
            ],
        ),
        (
            "delete from transfers where id = 2",
            [
                ("I3", "posting 3", "transfer 2", "none", "transfer 2, gone", ""),
                ("I3", "posting 4", "transfer 2", "none", "transfer 2, gone", ""),
                ("I7", "key k of user 2", "transfer 2", "none", "transfer 2, gone", ""),
            ],
        ),
        (
            "update system_accounts set balance = balance - 1",
            [
                ("I1", "all USD", "0", "-1", "the row itself", IN_ORDER),
                ("I3", "deposits in USD", "-100000000100", "-100000000101", "the row itself", IN_ORDER),
            ],
        ),
        (
            "update orders set held_remaining = 99",
            [
                ("I4", "hold of order 1", "100", "99", "order 1", ""),
                ("I4", "hold of user 2 in USD", "99", "100", "order 1", ""),
            ],
        ),
        (
            "update wallets set available = available + 10, held = held - 10 where user_id = 2",
            [("I4", "hold of user 2 in USD", "100", "90", "the row itself", "the orders are in order")],
        ),
        ("update orders set price_ticks = 2", [("I4", "hold of order 1", "200", "100", "order 1", "")]),
        (
            "update orders set state = 'partially_filled'",
            [("I8", "state of order 1", "one with 0 of 1 lots filled", "partially_filled", "order 1", "")],
        ),
        (
            "delete from idempotency_keys where key = 'mine'",
            [("I7", "order 1", "its key", "none", "order 1", "")],
        ),
        (
            "delete from idempotency_keys where key = 'k'",
            [("I7", "transfer 2", "its key", "none", DEPOSITED, "")],
        ),
        (
            "update idempotency_keys set digest = 'e' where key = 'mine'",
            [("I7", "key mine of user 2", "order 1", "none", "order 1", "")],
        ),
        (
            "insert into idempotency_keys values (2, 'less', 'd', 'command', 7)",
            [("I7", "key less of user 2", "command 7", "none", "the row itself", "the orders are in order")],
        ),
        (
            """insert into commands (id, market, number, kind, user_id, order_id, arguments) overriding system value
               values (99, 'BTC-USD', 9, 'reduce_order', 2, 1, '{"lots": 1, "key": "less", "body_digest": "d"}')""",
            [("I7", "command 99", "its key", "none", "order 1", "")],
        ),
    ],
)  # fmt: skip
async def test_tampering_is_found_and_named_and_traced(connection, tampering, wrong):
    await connection.execute(tampering)
    assert await found(connection) == wrong


async def test_a_deposit_that_a_wallet_does_not_have_is_where_it_began(traded):
    """The wallet was put back to what it was before: everything since is named by the first transfer it lacks."""
    await traded.execute("update wallets set available = available - 100 where user_id = 1 and asset = 'USD'")
    [_, one] = await found(traded)
    assert one == (
        "I3", "wallet of user 1 in USD", "100000000100", "100000000000", TRADED, "the balance is the one before it",
    )  # fmt: skip


async def test_a_transfer_that_an_account_has_twice_is_where_it_began(traded):
    await traded.execute("update wallets set available = available + 10000 where user_id = 2 and asset = 'BTC'")
    [_, one] = await found(traded)
    assert one == ("I3", "wallet of user 2 in BTC", "10000", "20000", TRADED, "the balance has it twice")


@pytest.mark.parametrize(
    ("tampering", "wrong"),
    [
        (
            "update orders set filled_lots = 0, filled_quote_atoms = 0 where id = 2",
            [
                ("I8", "state of order 2", "one with 0 of 1 lots filled", "filled", "order 2", ""),
                ("I9", "fills of order 2", "1 100", "0 0", TRADED, "the order is as it was before it"),
            ],
        ),
        (
            "update orders set filled_quote_atoms = 99 where id = 2",
            [("I9", "fills of order 2", "1 100", "1 99", "order 2", "its trades are in order")],
        ),
        (
            "update trades set price_ticks = 2",
            [("I9", "trade BTC-USD-1", "200", "100", TRADED, "")],
        ),
        (
            "update trades set maker_order_id = 1",
            [
                ("I9", "fills of order 1", "1 100", "0 0", TRADED, BY_ITSELF),
                ("I9", "fills of order 3", "0 0", "1 100", TRADED, BY_ITSELF),
                ("I9", "trade BTC-USD-1", "order 1 of user 1", "none", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 1 wallet BTC", "-10000", "0", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 1 wallet USD", "100", "0", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 3 wallet BTC", "0", "-10000", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 3 wallet USD", "0", "100", TRADED, ""),
            ],
        ),
        (
            """update postings set amount = amount - 1 where transfer_id = 5 and order_id = 2 and asset = 'USD';
            update postings set amount = amount + 1 where transfer_id = 5 and order_id = 3 and asset = 'USD'""",
            [
                ("I3", "wallet of user 1 in USD", "100000000101", "100000000100", TRADED, BY_ITSELF),
                ("I3", "wallet of user 2 in USD", "99", "100", TRADED, BY_ITSELF),
                ("I9", "trade BTC-USD-1 order 2 wallet USD", "-100", "-101", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 3 wallet USD", "100", "101", TRADED, ""),
            ],
        ),
        (
            "update trades set trade_seq = 2; update transfers set trade_seq = 2 where id = 5",
            [("I10", "trades of BTC-USD", "number 1", "number 2", "transfer 5, trade BTC-USD-2", "")],
        ),
        (
            "delete from trades",
            [
                ("I9", "fills of order 2", "0 0", "1 100", TRADED, BY_ITSELF),
                ("I9", "fills of order 3", "0 0", "1 100", TRADED, BY_ITSELF),
                ("I9", "trade BTC-USD-1 order 2 wallet BTC", "0", "10000", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 2 wallet USD", "0", "-100", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 3 wallet BTC", "0", "-10000", TRADED, ""),
                ("I9", "trade BTC-USD-1 order 3 wallet USD", "0", "100", TRADED, ""),
            ],
        ),
    ],
)
async def test_a_trade_that_was_tampered_with_is_found_on_each_side(traded, tampering, wrong):
    await traded.execute(tampering)
    assert await found(traded) == wrong


@pytest.mark.parametrize(
    ("tampering", "wrong"),
    [
        (
            "update orders set state = 'refunded' where id = 4",
            [("I15", "purchase 4", "as refunded", "delivery, batch filled", "order 4", "")],
        ),
        (
            "update orders set state = 'sent' where id = 4",
            [
                ("I15", "pending of user 2 in ABAN", "10000", "0", "order 4", ""),
                ("I15", "purchase 4", "as sent", "delivery, batch filled", "order 4", ""),
            ],
        ),
        (
            "update batches set filled_atoms = 20000",
            [("I15", "batch ABAN-USD-1", "20000", "10000 10000", "batch ABAN-USD-1", "")],
        ),
        (
            "update batches set state = 'failed'",
            [("I15", "purchase 4", "as completed", "delivery, batch failed", "order 4", "")],
        ),
    ],
)
async def test_a_purchase_that_was_tampered_with_is_found(purchased, tampering, wrong):
    await purchased.execute(tampering)
    assert await found(purchased) == wrong


async def test_the_first_of_several_is_the_oldest(traded):
    await traded.execute("update transfers set created_at = '2001-01-01' where id = 5")
    await traded.execute("update postings set amount = amount + 1 where transfer_id in (2, 5) and user_id = 2")
    report = await reconcile(traded)
    first = report.first()
    assert first is not None
    assert (first.thing, first.market, first.seq) == (TRADED, "BTC-USD", 8)
    assert str(first) == f"{TRADED} (BTC-USD seq 8; 2001-01-01 00:00:00.000000 UTC)"


async def test_of_a_row_that_no_transfer_made_wrong_the_last_transfer_is_told(traded):
    await traded.execute("update transfers set created_at = '2001-01-01' where id = 5")
    await traded.execute("update wallets set available = available + 7 where user_id = 2 and asset = 'BTC'")
    last = f"{TRADED} (BTC-USD seq 8; 2001-01-01 00:00:00.000000 UTC)"
    [_, one] = await differences(traded)
    assert str(one.began) == f"the row itself: {NOTHING_POSTED} up to {last}"


def test_a_difference_is_a_sentence():
    one = Difference("I1", "all USD", "0", "1", began=Origin("the row itself", "nothing was posted to it"))
    assert str(one) == "I1: all USD should be 0, and is 1; it began with the row itself: nothing was posted to it"
