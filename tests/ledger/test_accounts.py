import asyncpg
import pytest

from ledger.accounts import NewUser, create_user, find_user, make_admin


async def test_a_user_has_a_wallet_and_is_told_to_the_topic(connection):
    user_id = await create_user(connection, NewUser(username="bob", password_hash="hash"))
    assert await find_user(connection, "bob") == user_id
    wallets = await connection.fetch("select user_id, asset, available, held, pending from wallets")
    assert [tuple(row) for row in wallets] == [(user_id, "USD", 0, 0, 0)]
    told = await connection.fetchrow("select user_id, kind, entry from outbox")
    at_us = await connection.fetchval("select (extract(epoch from created_at) * 1000000)::bigint from users")
    account = {"user_id": user_id, "username": "bob", "name": None, "is_admin": False, "at_us": at_us}
    assert tuple(told) == (user_id, "account", account)


async def test_a_name_belongs_to_one_user(connection):
    assert await create_user(connection, NewUser(username="bob")) is not None
    assert await create_user(connection, NewUser(username="bob")) is None
    assert await connection.fetchval("select count(*) from outbox") == 1


async def test_customers_need_no_username_and_may_share_a_name(connection):
    first = await create_user(connection, NewUser(name="Farbod"))
    second = await create_user(connection, NewUser(name="Farbod"))
    assert first is not None
    assert second is not None
    assert first != second


@pytest.mark.parametrize("username", ["Bob", "bo", "b" * 33, "bob smith", "bob\n", "bøb"])
async def test_the_books_take_only_folded_names(connection, username):
    with pytest.raises(asyncpg.CheckViolationError):
        await create_user(connection, NewUser(username=username))


async def test_a_user_made_admin_has_a_new_password_and_no_session(connection):
    user_id = await create_user(connection, NewUser(username="bob", password_hash="old"))
    await connection.execute("insert into refresh_families (user_id) values ($1)", user_id)
    await make_admin(connection, user_id, "new")
    assert tuple(await connection.fetchrow("select is_admin, password_hash from users")) == (True, "new")
    assert await connection.fetchval("select end_reason from refresh_families") == "password"
    assert tuple(await connection.fetchrow("select action, subject from audit_log")) == (
        "make_admin",
        f"user {user_id}",
    )
