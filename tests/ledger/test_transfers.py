import asyncio
import dataclasses

import pytest

from ledger.accounts import NewUser
from ledger.transfer_rules import Refused, TransferRequest
from ledger.transfers import Transferred, post, transfer
from tests.ledger.exchange import LOT, Exchange
from tests.ledger.stores import Store

LIMIT = 1 << 62


TABLES = ("transfers", "postings", "idempotency_keys", "request_signatures", "system_accounts", "outbox")


@pytest.fixture
async def eve(store: Store) -> int:
    """A user with an empty wallet, in either books."""
    user_id = await store.create_user(NewUser(username="eve", password_hash="-"))
    assert user_id is not None
    return user_id


@pytest.fixture
def mine(eve: int) -> TransferRequest:
    return TransferRequest(kind="deposit", user_id=eve, asset="USD", amount_atoms=1000, requested_by=eve, digest="d")


@pytest.fixture
def deposit(ada: int) -> TransferRequest:
    return TransferRequest(kind="deposit", user_id=ada, asset="USD", amount_atoms=1000, requested_by=ada, digest="d")


def withdrawal(request: TransferRequest, amount_atoms: int) -> TransferRequest:
    return dataclasses.replace(request, kind="withdrawal", amount_atoms=amount_atoms)


async def wallets(connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch("select * from wallets order by user_id, asset")]


async def purse(store: Store) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in await store.rows("wallets")]


async def test_a_deposit_is_two_legs_a_wallet_a_key_and_a_record_for_the_topic(store, eve, mine):
    done = await store.transfer(dataclasses.replace(mine, key="first"))
    assert done == Transferred(1)
    assert await purse(store) == [(eve, "USD", 1000, 0, 0)]
    nothing = {"market": None, "order_id": None, "transfer_id": 1, "asset": "USD"}
    assert await store.rows("postings") == [
        {"id": 1, "account": "wallet", "user_id": eve, "amount": 1000, "type": "deposit"} | nothing,
        {"id": 2, "account": "deposits", "user_id": None, "amount": -1000, "type": None} | nothing,
    ]
    assert await store.rows("idempotency_keys") == [
        {"user_id": eve, "key": "first", "digest": "d", "subject": "transfer", "subject_id": 1}
    ]
    assert (await store.rows("outbox"))[-1] == {
        "id": 2, "user_id": eve, "kind": "deposit",
        "entry": {
            "transfer_id": 1, "kind": "deposit", "user_id": eve, "asset": "USD", "amount_atoms": 1000,
            "requested_by": eve, "idempotency_key": "first", "digest": "d", "note": None,
        },
    }  # fmt: skip


async def test_what_the_topic_is_told_says_when(connection, ada, deposit):
    await transfer(connection, deposit)
    told = await connection.fetchval("select entry from outbox order by id desc limit 1")
    at_us = await connection.fetchval("select (extract(epoch from created_at) * 1000000)::bigint from transfers")
    assert told["at_us"] == at_us


async def test_what_was_told_is_removed(store, mine):
    await store.transfer(mine)
    await store.forget([1, 2])
    assert await store.rows("outbox") == []


async def test_a_withdrawal_takes_what_is_there(store, eve, mine):
    await store.transfer(mine)
    assert await store.transfer(withdrawal(mine, 1001)) is Refused.INSUFFICIENT_FUNDS
    assert isinstance(await store.transfer(withdrawal(mine, 1000)), Transferred)
    assert await purse(store) == [(eve, "USD", 0, 0, 0)]


async def test_a_withdrawal_is_shown_positive(connection, ada, deposit):
    await transfer(connection, deposit)
    await transfer(connection, withdrawal(deposit, 1000))
    shown = await connection.fetch("select type, asset, amount, order_id from transactions order by id")
    assert [tuple(row) for row in shown] == [("deposit", "USD", 1000, None), ("withdrawal", "USD", 1000, None)]


async def test_an_adjustment_keeps_its_note_and_who_made_it(store, mine):
    admin = await store.create_user(NewUser(username="root", is_admin=True))
    request = dataclasses.replace(mine, kind="adjustment", requested_by=admin, note="counted wrong")
    assert await store.transfer(request) == Transferred(1)
    [kept] = await store.rows("transfers")
    assert (kept["kind"], kept["requested_by"], kept["note"]) == ("adjustment", admin, "counted wrong")


async def test_a_refusal_leaves_no_trace(store, eve, mine):
    before = [await store.rows(table) for table in TABLES]
    keyed = dataclasses.replace(withdrawal(mine, 1), key="k", signature=b"s" * 64)
    assert await store.transfer(keyed) is Refused.INSUFFICIENT_FUNDS
    assert await store.transfer(dataclasses.replace(mine, asset="NONE")) is Refused.UNKNOWN_WALLET
    assert await store.transfer(dataclasses.replace(mine, user_id=999)) is Refused.UNKNOWN_WALLET
    assert await purse(store) == [(eve, "USD", 0, 0, 0)]
    assert [await store.rows(table) for table in TABLES] == before


async def test_the_same_key_moves_money_once_and_is_answered_ever_after(store, eve, mine):
    keyed = dataclasses.replace(mine, key="k")
    assert await store.transfer(keyed) == Transferred(1)
    assert await store.transfer(keyed) == Transferred(1, repeated=True)
    assert await store.transfer(dataclasses.replace(keyed, digest="other")) is Refused.IDEMPOTENCY_CONFLICT
    assert await purse(store) == [(eve, "USD", 1000, 0, 0)]


async def test_a_signature_is_good_for_one_transfer(store, eve, mine):
    signed = dataclasses.replace(mine, signature=b"s" * 64)
    assert await store.transfer(signed) == Transferred(1)
    assert await store.transfer(dataclasses.replace(signed, key="another")) is Refused.REPLAYED
    assert await store.rows("request_signatures") == [{"signature": b"s" * 64, "user_id": eve}]


async def test_no_asset_grows_past_what_can_be_counted(store, eve, mine):
    assert isinstance(await store.transfer(dataclasses.replace(mine, amount_atoms=LIMIT - 1)), Transferred)
    assert await store.transfer(dataclasses.replace(mine, amount_atoms=2)) is Refused.AMOUNT_TOO_LARGE
    assert isinstance(await store.transfer(dataclasses.replace(mine, amount_atoms=1)), Transferred)
    # What was withdrawn makes room again, until either side of the border has counted all it can.
    assert isinstance(await store.transfer(withdrawal(mine, LIMIT)), Transferred)
    assert isinstance(await store.transfer(dataclasses.replace(mine, amount_atoms=LIMIT - 1)), Transferred)
    assert await store.transfer(dataclasses.replace(mine, amount_atoms=1)) is Refused.AMOUNT_TOO_LARGE
    assert await purse(store) == [(eve, "USD", LIMIT - 1, 0, 0)]


async def test_what_the_house_has_sold_counts_as_there(store):
    """The buyer owns it already, though nobody has brought it yet."""
    assert await store.add_currency("BTC", "Bitcoin", 8)
    house = Exchange(store)
    await house.open()
    await house.list_price(1)
    eve = await house.rich("eve", USD=LIMIT - 1)
    most = (LIMIT - 5) // LOT
    await house.bought(house.purchase(eve, most, 1, "k"))
    left = LIMIT - most * LOT
    btc = TransferRequest(kind="deposit", user_id=eve, asset="BTC", amount_atoms=left + 1, requested_by=eve)
    assert await store.transfer(btc) is Refused.AMOUNT_TOO_LARGE
    assert isinstance(await store.transfer(dataclasses.replace(btc, amount_atoms=left)), Transferred)


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


async def test_a_transfer_that_dies_in_the_middle_never_was(pool, connection, ada, deposit):
    """The backend is ended after the money has moved and before the commit."""
    async with pool.acquire() as doomed:
        transaction = doomed.transaction()
        await transaction.start()
        assert isinstance(await post(doomed, deposit), Transferred)
        await connection.execute("select pg_terminate_backend($1, 5000)", doomed.get_server_pid())
    assert await wallets(connection) == [(ada, "USD", 0, 0, 0)]
    assert isinstance(await transfer(connection, deposit), Transferred)
