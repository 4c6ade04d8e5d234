import asyncio
import dataclasses

import pytest

from ledger.accounts import NewUser, create_user
from ledger.transfer_rules import Refused, TransferRequest
from ledger.transfers import Transferred, post, transfer

LIMIT = 1 << 62


@pytest.fixture
def deposit(ada: int) -> TransferRequest:
    return TransferRequest(kind="deposit", user_id=ada, asset="USD", amount_atoms=1000, requested_by=ada, digest="d")


def withdrawal(request: TransferRequest, amount_atoms: int) -> TransferRequest:
    return dataclasses.replace(request, kind="withdrawal", amount_atoms=amount_atoms)


async def wallets(connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch("select * from wallets order by user_id, asset")]


async def test_a_deposit_is_two_legs_a_wallet_a_transaction_and_a_record_for_the_topic(connection, ada, deposit):
    done = await transfer(connection, dataclasses.replace(deposit, key="first"))
    assert done == Transferred(1)
    assert await wallets(connection) == [(ada, "USD", 1000, 0, 0)]
    legs = await connection.fetch("select account, user_id, asset, amount, type from postings order by id")
    assert [tuple(row) for row in legs] == [
        ("wallet", ada, "USD", 1000, "deposit"),
        ("deposits", None, "USD", -1000, None),
    ]
    shown = await connection.fetch("select type, asset, amount, order_id from transactions where user_id = $1", ada)
    assert [tuple(row) for row in shown] == [("deposit", "USD", 1000, None)]
    told = await connection.fetchrow("select user_id, kind, entry from outbox order by id desc limit 1")
    at_us = await connection.fetchval("select (extract(epoch from created_at) * 1000000)::bigint from transfers")
    assert tuple(told) == (
        ada,
        "deposit",
        {
            "transfer_id": 1, "kind": "deposit", "user_id": ada, "asset": "USD", "amount_atoms": 1000,
            "requested_by": ada, "idempotency_key": "first", "digest": "d", "note": None, "at_us": at_us,
        },
    )  # fmt: skip


async def test_a_withdrawal_is_shown_positive_and_takes_what_is_there(connection, ada, deposit):
    await transfer(connection, deposit)
    assert await transfer(connection, withdrawal(deposit, 1001)) is Refused.INSUFFICIENT_FUNDS
    assert isinstance(await transfer(connection, withdrawal(deposit, 1000)), Transferred)
    assert await wallets(connection) == [(ada, "USD", 0, 0, 0)]
    shown = await connection.fetch("select type, amount from transactions order by id")
    assert [tuple(row) for row in shown] == [("deposit", 1000), ("withdrawal", 1000)]


async def test_an_adjustment_keeps_its_note_and_who_made_it(connection, ada, deposit):
    admin = await create_user(connection, NewUser(username="root", is_admin=True))
    request = dataclasses.replace(deposit, kind="adjustment", requested_by=admin, note="counted wrong")
    assert await transfer(connection, request) == Transferred(1)
    kept = await connection.fetchrow("select kind, requested_by, note from transfers")
    assert tuple(kept) == ("adjustment", admin, "counted wrong")


async def test_a_refusal_leaves_no_trace(connection, ada, deposit):
    before = await connection.fetchval("select count(*) from outbox")
    assert (
        await transfer(connection, dataclasses.replace(withdrawal(deposit, 1), key="k")) is Refused.INSUFFICIENT_FUNDS
    )
    assert await transfer(connection, dataclasses.replace(deposit, asset="NONE")) is Refused.UNKNOWN_WALLET
    assert await transfer(connection, dataclasses.replace(deposit, user_id=999)) is Refused.UNKNOWN_WALLET
    assert await wallets(connection) == [(ada, "USD", 0, 0, 0)]
    counts = [
        await connection.fetchval(f"select count(*) from {table}")
        for table in ("transfers", "postings", "idempotency_keys", "system_accounts", "outbox")
    ]
    assert counts == [0, 0, 0, 0, before]


async def test_the_same_key_moves_money_once_and_is_answered_ever_after(connection, ada, deposit):
    keyed = dataclasses.replace(deposit, key="k")
    assert await transfer(connection, keyed) == Transferred(1)
    assert await transfer(connection, keyed) == Transferred(1, repeated=True)
    assert await transfer(connection, dataclasses.replace(keyed, digest="other")) is Refused.IDEMPOTENCY_CONFLICT
    assert await wallets(connection) == [(ada, "USD", 1000, 0, 0)]


async def test_the_same_key_at_once_from_many_connections_does_the_work_once(pool, connection, ada, deposit):
    keyed = dataclasses.replace(deposit, key="k")

    async def one() -> Transferred | Refused:
        async with pool.acquire() as own:
            return await transfer(own, keyed)

    results = await asyncio.gather(*(one() for _ in range(16)))
    assert sorted(results, key=lambda result: result.repeated) == [
        Transferred(1),
        *[Transferred(1, repeated=True)] * 15,
    ]
    assert await wallets(connection) == [(ada, "USD", 1000, 0, 0)]


async def test_one_key_on_two_wallets_at_once_belongs_to_one_of_them(pool, connection, ada, deposit):
    """Their wallets differ, so no lock orders them: the key itself does."""
    await connection.execute("insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8)")
    requests = [dataclasses.replace(deposit, key="k", asset=asset, digest=asset) for asset in ("USD", "BTC") * 8]

    async def one(request: TransferRequest) -> tuple[str, object]:
        async with pool.acquire() as own:
            return request.asset, await transfer(own, request)

    results = await asyncio.gather(*(one(request) for request in requests))
    winner = next(asset for asset, result in results if isinstance(result, Transferred))
    for asset, result in results:
        assert result is Refused.IDEMPOTENCY_CONFLICT if asset != winner else isinstance(result, Transferred)
    assert await connection.fetchval("select count(*) from transfers") == 1


async def test_a_signature_is_good_for_one_transfer_whoever_sends_it_at_once(pool, connection, ada, deposit):
    signed = dataclasses.replace(deposit, signature=b"s" * 64)

    async def one() -> Transferred | Refused:
        async with pool.acquire() as own:
            return await transfer(own, signed)

    results = await asyncio.gather(*(one() for _ in range(8)))
    assert [result for result in results if isinstance(result, Transferred)] != []
    assert results.count(Refused.REPLAYED) == 7
    assert await wallets(connection) == [(ada, "USD", 1000, 0, 0)]


async def test_withdrawals_at_once_never_take_more_than_there_is(pool, connection, ada, deposit):
    await transfer(connection, deposit)

    async def one() -> Transferred | Refused:
        async with pool.acquire() as own:
            return await transfer(own, withdrawal(deposit, 300))

    results = await asyncio.gather(*(one() for _ in range(10)))
    assert results.count(Refused.INSUFFICIENT_FUNDS) == 7
    assert await wallets(connection) == [(ada, "USD", 100, 0, 0)]


async def test_no_asset_grows_past_what_can_be_counted(connection, ada, deposit):
    assert isinstance(await transfer(connection, dataclasses.replace(deposit, amount_atoms=LIMIT - 1)), Transferred)
    assert await transfer(connection, dataclasses.replace(deposit, amount_atoms=2)) is Refused.AMOUNT_TOO_LARGE
    assert isinstance(await transfer(connection, dataclasses.replace(deposit, amount_atoms=1)), Transferred)
    # What was withdrawn makes room again, until either side of the border has counted all it can.
    assert isinstance(await transfer(connection, withdrawal(deposit, LIMIT)), Transferred)
    assert isinstance(await transfer(connection, dataclasses.replace(deposit, amount_atoms=LIMIT - 1)), Transferred)
    assert await transfer(connection, dataclasses.replace(deposit, amount_atoms=1)) is Refused.AMOUNT_TOO_LARGE
    assert await wallets(connection) == [(ada, "USD", LIMIT - 1, 0, 0)]


@pytest.mark.tampers
async def test_what_the_house_has_sold_counts_as_there(connection, ada, deposit):
    """The buyer owns it already, though nobody has brought it yet."""
    await connection.execute("insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8)")
    await connection.execute(f"""
        insert into transfers (kind) values ('exchange');
        insert into postings (transfer_id, account, market, user_id, asset, amount, type)
        values (1, 'house', 'BTC-USD', null, 'BTC', -{LIMIT - 5}, null),
               (1, 'pending', null, {ada}, 'BTC', {LIMIT - 5}, null);
        insert into wallets values ({ada}, 'BTC', 0, 0, {LIMIT - 5});
        insert into system_accounts values ('house', 'BTC-USD', 'BTC', -{LIMIT - 5})""")
    btc = dataclasses.replace(deposit, asset="BTC", amount_atoms=6)
    assert await transfer(connection, btc) is Refused.AMOUNT_TOO_LARGE
    assert isinstance(await transfer(connection, dataclasses.replace(btc, amount_atoms=5)), Transferred)


async def test_a_transfer_that_dies_in_the_middle_never_was(pool, connection, ada, deposit):
    """The backend is ended after the money has moved and before the commit."""
    async with pool.acquire() as doomed:
        transaction = doomed.transaction()
        await transaction.start()
        assert isinstance(await post(doomed, deposit), Transferred)
        await connection.execute("select pg_terminate_backend($1, 5000)", doomed.get_server_pid())
    assert await wallets(connection) == [(ada, "USD", 0, 0, 0)]
    assert isinstance(await transfer(connection, deposit), Transferred)
