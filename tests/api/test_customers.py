"""Customers without a login: made by admins, seen by admins."""

import asyncio
import secrets

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], error["field"]


async def test_a_customer_begins_with_a_hundred_dollars_by_an_ordinary_deposit(admin, door):
    answer = await admin.post("customers/", {"name": "Farbod"})
    assert answer.status == 201
    assert answer.body == {
        "id": answer.body["id"], "name": "Farbod", "balance": "100.00", "created_at": answer.body["created_at"],
    }  # fmt: skip
    assert (await admin.get(f"customers/{answer.body['id']}/")).body == answer.body
    assert (await admin.get("customers/?limit=1")).body["results"] == [answer.body]
    kinds = await door.services.database.rows(
        "select kind, entry->>'amount_atoms' as atoms from outbox where user_id = $1 order by id", answer.body["id"]
    )
    assert [tuple(row) for row in kinds] == [("account", None), ("deposit", "10000000000")]


async def test_a_customer_may_begin_with_nothing(admin):
    answer = await admin.post("customers/", {"name": "Zero", "balance": 0})
    assert (answer.status, answer.body["balance"]) == (201, "0.00")


async def test_one_key_makes_one_customer(admin):
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    answers = await asyncio.gather(*(admin.post("customers/", {"name": "Once"}, headers=headers) for _ in range(8)))
    assert [(answer.status, answer.body) for answer in answers] == [(201, answers[0].body)] * 8
    assert refusal(await admin.post("customers/", {"name": "Twice"}, headers=headers)) == (
        409, "idempotency_conflict", "Idempotency-Key")  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [({"name": ""}, "name"), ({"name": " x"}, "name"), ({"name": "x" * 65}, "name"), ({"name": 7}, "name"),
     ({"name": "x", "balance": "-1"}, "balance"), ({"name": "x", "balance": "0.000000001"}, "balance")],
)  # fmt: skip
async def test_a_wrong_customer_is_refused(admin, body, field):
    assert refusal(await admin.post("customers/", body)) == (400, "invalid_field", field)


async def test_customers_are_for_admins(client):
    user = await client.register(f"u{secrets.token_hex(6)}")
    for answer in (
        await user.post("customers/", {"name": "x"}), await user.get("customers/"), await user.get("customers/1"),
    ):  # fmt: skip
        assert refusal(answer) == (403, "forbidden", None)
    assert refusal(await client.get("customers/")) == (401, "unauthenticated", None)


async def test_somebody_with_a_login_is_no_customer(admin, door):
    me = (await admin.get("accounts/me/")).body
    assert refusal(await admin.get(f"customers/{me['id']}/")) == (404, "not_found", None)
