import pytest

from ledger.accounts import NewUser, create_user, find_user, make_admin
from tests.ledger.memory.table import Constraint


async def test_a_user_has_a_wallet_and_is_told_to_the_topic(store):
    user_id = await store.create_user(NewUser(username="bob", password_hash="hash"))
    [user] = await store.rows("users")
    assert user == {"id": user_id, "username": "bob", "name": None, "password_hash": "hash", "is_admin": False}
    nothing = {"available": 0, "held": 0, "pending": 0}
    assert await store.rows("wallets") == [{"user_id": user_id, "asset": "USD"} | nothing]
    account = {"user_id": user_id, "username": "bob", "name": None, "is_admin": False}
    assert await store.rows("outbox") == [{"id": 1, "user_id": user_id, "kind": "account", "entry": account}]


async def test_what_the_topic_is_told_says_when(connection):
    user_id = await create_user(connection, NewUser(username="bob", password_hash="hash"))
    assert await find_user(connection, "bob") == user_id
    at_us = await connection.fetchval("select (extract(epoch from created_at) * 1000000)::bigint from users")
    assert (await connection.fetchval("select entry from outbox"))["at_us"] == at_us


async def test_a_name_belongs_to_one_user(store):
    assert await store.create_user(NewUser(username="bob")) is not None
    assert await store.create_user(NewUser(username="bob")) is None
    assert len(await store.rows("outbox")) == 1


async def test_customers_need_no_username_and_may_share_a_name(store):
    first = await store.create_user(NewUser(name="Farbod", requested_by=1, key="k", digest="d"))
    second = await store.create_user(NewUser(name="Farbod"))
    assert first is not None
    assert second is not None
    assert first != second
    asked = {"requested_by": 1, "idempotency_key": "k", "digest": "d"}
    told = {"username": None, "name": "Farbod", "is_admin": False}
    assert [row["entry"] for row in await store.rows("outbox")] == [
        {"user_id": first} | told | asked,
        {"user_id": second} | told,
    ]


@pytest.mark.parametrize("username", ["Bob", "bo", "b" * 33, "bob smith", "bob\n", "bøb"])
async def test_the_books_take_only_folded_names(store, username):
    with pytest.raises(Constraint, match="users_username_form"):
        await store.create_user(NewUser(username=username))
    assert await store.rows("wallets") == []


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
