"""Money in and out: exact, once per key, and never below zero."""

import asyncio
import secrets

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], error["field"]


def dollars(amount, held="0.00"):
    return {
        "balance": amount, "currency": "USD", "held": held,
        "assets": [{"asset": "USD", "available": amount, "held": held, "pending": "0.00"}],
    }  # fmt: skip


async def test_a_new_wallet_has_a_row_of_dollars(user):
    answer = await user.get("accounts/wallet/")
    assert (answer.status, answer.body) == (200, dollars("0.00"))


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        (b'"100"', "100.00"), (b"100", "100.00"), (b'"0.1"', "0.10"), (b"0.00000001", "0.00000001"),
        (b"12345678.12345678", "12345678.12345678"), (b"1.5e2", "150.00"), (b'"1.10000000"', "1.10"),
    ],
)  # fmt: skip
async def test_a_deposit_is_read_exactly_as_it_was_written(user, sent, amount):
    answer = await user.patch("accounts/wallet/deposit/", b'{"amount": ' + sent + b"}")
    assert (answer.status, answer.body) == (200, dollars(amount))
    assert (await user.get("accounts/wallet/")).body == dollars(amount)


@pytest.mark.parametrize(
    ("sent", "status", "code", "message"),
    [
        (b'{"amount": 0.000000001}', 400, "invalid_field", "amount may have at most 8 decimals."),
        (b'{"amount": 0}', 400, "invalid_field", "amount must be more than zero."),
        (b'{"amount": "-1"}', 400, "invalid_field", "amount must be more than zero."),
        (b'{"amount": "1e999"}', 400, "invalid_field", "amount has an exponent beyond 40."),
        (b'{"amount": "NaN"}', 400, "invalid_field", "amount must be a plain decimal number such as 12.5."),
        (b'{"amount": true}', 400, "invalid_field", "amount must be a decimal number, as a string or a JSON number."),
        (b'{"amount": null}', 400, "invalid_field", "amount must be a decimal number, as a string or a JSON number."),
        (b"{}", 400, "missing_field", "amount is required."),
        (b'{"amount": 1, "to": 2}', 400, "unknown_field", "to is not a field of this call."),
        (b'{"amount": "1", "asset": "usd"}', 400, "invalid_field", "asset must be 1 to 16 capital letters and digits."),
        (b'{"amount": 99999999999999}', 422, "amount_too_large", "amount is too large."),
    ],
)
async def test_a_number_that_breaks_a_rule_is_told_the_rule(user, sent, status, code, message):
    answer = await user.patch("accounts/wallet/deposit/", sent)
    assert (answer.status, answer.body["error"]["code"], answer.body["error"]["message"]) == (status, code, message)
    assert (await user.get("transactions/")).body == {"results": [], "next": None}


async def test_an_asset_that_is_not_there_is_404(user):
    assert refusal(await user.patch("accounts/wallet/deposit/", {"amount": "1", "asset": "NOPE"})) == (
        404, "unknown_asset", "asset")  # fmt: skip


async def test_a_total_that_the_books_could_not_count_is_refused(client):
    rich, poor = [await client.register(f"u{secrets.token_hex(6)}") for _ in range(2)]
    assert (await rich.patch("accounts/wallet/deposit/", {"amount": "46000000000"})).status == 200
    assert refusal(await poor.patch("accounts/wallet/deposit/", {"amount": "1000000000"})) == (
        422, "amount_too_large", "amount")  # fmt: skip
    assert (await rich.patch("accounts/wallet/withdraw/", {"amount": "46000000000"})).body == dollars("0.00")


async def test_no_more_goes_out_than_is_there(user):
    await user.patch("accounts/wallet/deposit/", {"amount": "10"})
    assert refusal(await user.patch("accounts/wallet/withdraw/", {"amount": "10.01"})) == (
        422, "insufficient_funds", "amount")  # fmt: skip
    answer = await user.patch("accounts/wallet/withdraw/", {"amount": "4"})
    assert (answer.status, answer.body) == (200, dollars("6.00"))
    results = (await user.get("transactions/")).body["results"]
    assert [(row["type"], row["asset"], row["amount"], row["order_id"]) for row in results] == [
        ("withdrawal", "USD", "4.00", None), ("deposit", "USD", "10.00", None)]  # fmt: skip


async def test_a_key_moves_money_once_and_answers_with_what_is_now(user):
    headers = {"Idempotency-Key": "a-key"}
    first = await user.patch("accounts/wallet/deposit/", {"amount": "10"}, headers=headers)
    await user.patch("accounts/wallet/deposit/", {"amount": "1"})
    again = await user.patch("accounts/wallet/deposit/", {"amount": "10"}, headers=headers)
    assert (first.body, again.status, again.body) == (dollars("10.00"), 200, dollars("11.00"))
    for path, body in (("deposit", {"amount": "11"}), ("withdraw", {"amount": "10"})):
        answer = await user.patch(f"accounts/wallet/{path}/", body, headers=headers)
        assert refusal(answer) == (409, "idempotency_conflict", "Idempotency-Key")


async def test_one_key_from_many_clients_at_once_moves_money_once(user):
    answers = await asyncio.gather(
        *(user.patch("accounts/wallet/deposit/", {"amount": "10"}, headers={"Idempotency-Key": "k"}) for _ in range(16))
    )
    assert [(answer.status, answer.body) for answer in answers] == [(200, dollars("10.00"))] * 16


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "ä"])
async def test_a_key_has_a_form(user, key):
    answer = await user.patch("accounts/wallet/deposit/", {"amount": "1"}, headers={"Idempotency-Key": key})
    assert refusal(answer) == (400, "invalid_field", "Idempotency-Key")


async def test_withdrawals_at_once_never_take_more_than_there_is(user):
    await user.patch("accounts/wallet/deposit/", {"amount": "10"})
    answers = await asyncio.gather(*(user.patch("accounts/wallet/withdraw/", {"amount": "3"}) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [422] * 5
    assert (await user.get("accounts/wallet/")).body == dollars("1.00")


async def test_transactions_come_in_pages_newest_first(user):
    for amount in range(1, 6):
        await user.patch("accounts/wallet/deposit/", {"amount": str(amount)})
    pages, cursor = [], ""
    while cursor is not None:
        answer = await user.get(f"transactions/?limit=2{cursor and '&cursor=' + cursor}")
        pages.append([row["amount"] for row in answer.body["results"]])
        cursor = answer.body["next"]
    assert pages == [["5.00", "4.00"], ["3.00", "2.00"], ["1.00"]]


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "invalid_field", "limit"), ("limit=501", "invalid_field", "limit"),
        ("limit=x", "invalid_field", "limit"),
        ("cursor=x", "invalid_field", "cursor"), ("cursor=AAAA", "invalid_field", "cursor"),
        ("cursor=%00", "invalid_field", "cursor"), ("limit=1&limit=2", "invalid_field", "limit"),
        ("page=2", "unknown_field", "page"),
    ],
)  # fmt: skip
async def test_a_page_that_cannot_be_is_refused(user, query, code, field):
    assert refusal(await user.get(f"transactions/?{query}")) == (400, code, field)


async def test_a_transaction_is_shown_to_its_owner_only(client, user):
    await user.patch("accounts/wallet/deposit/", {"amount": "10"})
    row = (await user.get("transactions/")).body["results"][0]
    assert (await user.get(f"transactions/{row['id']}/")).body == row
    stranger = await client.register(f"u{secrets.token_hex(6)}")
    for path in (
        f"transactions/{row['id']}/",
        "transactions/999999999/",
        f"transactions/{(1 << 63) - 1}",
        "transactions/9999999999999999999",
    ):
        assert refusal(await stranger.get(path)) == (404, "not_found", None)


async def test_stats_of_somebody_who_did_nothing_are_zero(user):
    nothing = {
        "orders": 0, "purchases": 0, "trades": 0, "order_volume": {}, "purchase_volume": {}, "trade_volume": {},
    }  # fmt: skip
    assert (await user.get("accounts/stats/")).body == {"total": nothing, "days": []}
