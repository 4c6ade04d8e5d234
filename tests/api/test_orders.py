"""Orders over HTTP through the whole exchange: hold, journal, matching, books, and an answer after the money moved."""

import asyncio
import secrets

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], error["field"]


async def rich(client, market):
    """Somebody with ten thousand dollars and ten of the market's base."""
    user = await client.register(f"u{secrets.token_hex(6)}")
    await user.patch("accounts/wallet/deposit/", {"amount": "10000"})
    await user.patch("accounts/wallet/deposit/", {"amount": "10", "asset": market.split("-")[0]})
    return user


async def wallet(user):
    body = (await user.get("accounts/wallet/")).body
    return {row["asset"]: (row["available"], row["held"]) for row in body["assets"]}


def limit(market, side, amount, price, **more):
    return {"market": market, "side": side, "amount": amount, "price": price, **more}


async def test_an_order_that_rests_is_answered_when_its_hold_is_in_the_books(client, open_market):
    user = await rich(client, open_market)
    answer = await user.post("orders/", limit(open_market, "buy", "2", "100", client_order_id="first"))
    order = answer.body
    assert answer.status == 201
    assert order == {
        "id": order["id"], "market": open_market, "side": "buy", "type": "limit", "price": "100.00", "amount": "2",
        "filled": "0", "remaining": "2", "average_price": None, "state": "open", "reason": None, "seq": order["seq"],
        "fills": [], "client_order_id": "first", "command_id": order["command_id"],
        "created_at": order["created_at"], "updated_at": order["updated_at"],
    }  # fmt: skip
    assert await wallet(user) == {open_market.split("-")[0]: ("10", "0"), "USD": ("9800.00", "200.00")}
    assert (await user.get(f"orders/{order['id']}/")).body == order
    assert (await user.get("orders/by-client-id/first/")).body == order
    assert (await user.get(f"orders/?market={open_market}")).body == {"results": [order], "next": None}


async def test_a_trade_is_answered_after_the_money_has_moved_on_both_sides(client, open_market):
    base = open_market.split("-")[0]
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    rested = (await maker.post("orders/", limit(open_market, "sell", "3", "100"))).body
    answer = await taker.post("orders/", limit(open_market, "buy", "1", "105"))
    fill = {"price": "100.00", "amount": "1", "fee": "0", "fee_asset": base, "maker": False}
    trade_id = answer.body["fills"][0]["trade_id"]
    assert (answer.status, answer.body["state"], answer.body["average_price"]) == (201, "filled", "100.00")
    assert answer.body["fills"] == [fill | {"trade_id": trade_id}]
    assert await wallet(taker) == {base: ("11", "0"), "USD": ("9900.00", "0.00")}
    assert await wallet(maker) == {base: ("7", "2"), "USD": ("10100.00", "0.00")}
    seen = (await maker.get(f"orders/{rested['id']}/")).body
    assert (seen["state"], seen["filled"], seen["remaining"]) == ("partially_filled", "1", "2")
    assert seen["fills"] == [fill | {"trade_id": trade_id, "fee": "0.00", "fee_asset": "USD", "maker": True}]
    assert (await taker.get("fills/")).body["results"] == [
        fill | {"trade_id": trade_id, "market": open_market, "order_id": answer.body["id"], "side": "buy",
                "at": (await taker.get("fills/")).body["results"][0]["at"]}
    ]  # fmt: skip
    types = [row["type"] for row in (await taker.get("transactions/")).body["results"]]
    assert types == ["trade", "trade", "deposit", "deposit"]


async def test_a_market_order_takes_what_there_is_and_never_rests(client, open_market):
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    await maker.post("orders/", limit(open_market, "sell", "1", "100"))
    await maker.post("orders/", limit(open_market, "buy", "0.01", "99"))
    one = await taker.post("orders/", limit(open_market, "buy", "0.1", "100"))
    assert one.body["state"] == "filled"
    by_quote = await taker.post(
        "orders/", {"market": open_market, "side": "buy", "type": "market", "quote_amount": "30"}
    )
    assert (by_quote.status, by_quote.body["state"], by_quote.body["filled"]) == (201, "filled", "0.3")
    assert (by_quote.body["price"], by_quote.body["amount"], by_quote.body["remaining"]) == (None, None, None)
    rest = await taker.post("orders/", {"market": open_market, "side": "buy", "type": "market", "amount": "2"})
    assert (rest.body["state"], rest.body["filled"], rest.body["reason"]) == ("expired", "0.6", "unfilled")
    assert (await wallet(taker))["USD"] == ("9900.00", "0.00")


async def test_what_the_engine_decides_against_is_an_order_with_a_reason(client, open_market):
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    await maker.post("orders/", limit(open_market, "sell", "1", "100"))
    post_only = await taker.post("orders/", limit(open_market, "buy", "1", "100", post_only=True))
    assert (post_only.status, post_only.body["state"], post_only.body["reason"]) == (201, "rejected", "would_take")
    fok = await taker.post("orders/", limit(open_market, "buy", "2", "100", time_in_force="fok"))
    assert (fok.status, fok.body["state"], fok.body["reason"]) == (201, "expired", "would_not_fill")
    ioc = await taker.post("orders/", limit(open_market, "buy", "1", "99", time_in_force="ioc"))
    assert (ioc.status, ioc.body["state"], ioc.body["reason"]) == (201, "expired", "unfilled")
    own = await maker.post("orders/", limit(open_market, "buy", "1", "100"))
    assert (own.status, own.body["state"], own.body["reason"]) == (201, "expired", "self_trade")
    assert (await wallet(taker))["USD"] == ("10000.00", "0.00")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"price": "100.001"}, 422, "not_on_tick", "price"),
        ({"amount": "0.00001"}, 422, "not_on_lot", "amount"),
        ({"amount": "0.0001", "price": "1"}, 422, "below_min_notional", "amount"),
        ({"amount": "1000"}, 422, "insufficient_funds", "amount"),
        ({"amount": "9000000000", "price": "9000000"}, 422, "amount_too_large", "amount"),
        ({"amount": "0"}, 400, "invalid_field", "amount"),
        ({"amount": "-1"}, 400, "invalid_field", "amount"),
        ({"price": "1e50"}, 400, "invalid_field", "price"),
        ({"amount": None}, 400, "missing_field", "amount"),
        ({"price": None}, 400, "missing_field", "price"),
        ({"side": "hold"}, 400, "invalid_field", "side"),
        ({"type": "stop"}, 400, "invalid_field", "type"),
        ({"time_in_force": "gtd"}, 400, "invalid_field", "time_in_force"),
        ({"post_only": "yes"}, 400, "invalid_field", "post_only"),
        ({"post_only": True, "time_in_force": "ioc"}, 400, "invalid_field", "post_only"),
        ({"quote_amount": "5"}, 400, "invalid_field", "quote_amount"),
        ({"type": "market"}, 400, "invalid_field", "price"),
        ({"market": "NO-PE"}, 404, "unknown_market", "market"),
        ({"market": "nope"}, 400, "invalid_field", "market"),
        ({"client_order_id": "a b"}, 400, "invalid_field", "client_order_id"),
        ({"client_order_id": "x" * 65}, 400, "invalid_field", "client_order_id"),
        ({"customer_id": 1}, 403, "forbidden", "customer_id"),
        ({"colour": "red"}, 400, "unknown_field", "colour"),
        ({"crypto": "BTC"}, 400, "invalid_field", "market"),
    ],
)
async def test_what_is_refused_at_the_door_leaves_no_trace(client, open_market, change, status, code, field):
    user = await rich(client, open_market)
    before = await wallet(user)
    body = limit(open_market, "buy", "1", "100") | change
    for path in ("orders/", "orders/test/"):
        if code == "insufficient_funds" and path == "orders/test/":
            continue
        assert refusal(await user.post(path, body)) == (status, code, field)
    assert (await user.get("orders/")).body == {"results": [], "next": None}
    assert await wallet(user) == before


async def test_a_rehearsal_places_nothing(client, open_market):
    user = await rich(client, open_market)
    answer = await user.post("orders/test/", limit(open_market, "buy", "1000", "100"))
    assert (answer.status, answer.body) == (200, {})
    assert (await user.get("orders/")).body == {"results": [], "next": None}


async def test_a_client_order_id_places_one_order_for_ever(client, open_market):
    user = await rich(client, open_market)
    body = limit(open_market, "buy", "1", "100", client_order_id="mine")
    first = await user.post("orders/", body)
    again = await user.post("orders/", body)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert refusal(await user.post("orders/", body | {"amount": "2"})) == (
        409, "idempotency_conflict", "client_order_id")  # fmt: skip
    assert refusal(await user.post("orders/", body, headers={"Idempotency-Key": "k"})) == (
        400, "two_keys", "client_order_id")  # fmt: skip
    canceled = await user.delete(f"orders/{first.body['id']}/")
    assert (await user.post("orders/", body)).body == canceled.body, "the present state"
    other = await rich(client, open_market)
    assert (await other.post("orders/", body)).body["id"] != first.body["id"], "another user's name space"


async def test_one_key_from_many_clients_at_once_places_one_order(client, open_market):
    user = await rich(client, open_market)
    body = limit(open_market, "buy", "1", "100")
    answers = await asyncio.gather(
        *(user.post("orders/", body, headers={"Idempotency-Key": "once"}) for _ in range(12))
    )
    assert {answer.status for answer in answers} == {201}
    assert {answer.body["id"] for answer in answers} == {answers[0].body["id"]}
    assert (await wallet(user))["USD"] == ("9900.00", "100.00")


async def test_orders_at_once_never_hold_more_than_there_is(client, open_market):
    user = await rich(client, open_market)
    answers = await asyncio.gather(*(user.post("orders/", limit(open_market, "buy", "30", "100")) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [422] * 3
    assert (await wallet(user))["USD"] == ("1000.00", "9000.00")


async def test_a_cancel_gives_the_hold_back_and_may_be_said_twice(client, open_market):
    user = await rich(client, open_market)
    order = (await user.post("orders/", limit(open_market, "buy", "1", "100"))).body
    for _ in range(2):
        answer = await user.delete(f"orders/{order['id']}/")
        assert (answer.status, answer.body["state"], answer.body["remaining"]) == (200, "canceled", "1")
    assert (await wallet(user))["USD"] == ("10000.00", "0.00")


async def test_a_cancel_that_lost_the_race_is_an_answer(client, open_market):
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    order = (await maker.post("orders/", limit(open_market, "sell", "1", "100"))).body
    await taker.post("orders/", limit(open_market, "buy", "1", "100"))
    answer = await maker.delete(f"orders/{order['id']}/")
    assert refusal(answer) == (409, "order_done", None)
    assert answer.body["order"] == (await maker.get(f"orders/{order['id']}/")).body
    assert answer.body["order"]["state"] == "filled"


async def test_a_cancel_never_overtakes_its_own_order(client, open_market):
    user = await rich(client, open_market)
    for _ in range(10):
        placed = await user.post("orders/?wait=none", limit(open_market, "buy", "0.1", "100"))
        answer = await user.delete(f"orders/{placed.body['id']}/")
        assert (placed.status, answer.status, answer.body["state"]) == (202, 200, "canceled")


async def test_cancel_all_cancels_in_one_market_or_in_all(client, open_market):
    user = await rich(client, open_market)
    ids = [(await user.post("orders/", limit(open_market, "buy", "1", "10"))).body["id"] for _ in range(3)]
    assert (await user.delete("orders/?market=NO-PE")).body == {"results": []}
    answer = await user.delete(f"orders/?market={open_market}")
    assert [(row["id"], row["state"]) for row in answer.body["results"]] == [(each, "canceled") for each in ids]
    assert (await user.delete("orders/")).body == {"results": []}
    assert (await wallet(user))["USD"] == ("10000.00", "0.00")


async def test_an_order_is_reduced_in_its_place(client, open_market):
    first, second, taker = [await rich(client, open_market) for _ in range(3)]
    order = (await first.post("orders/", limit(open_market, "sell", "3", "100"))).body
    await second.post("orders/", limit(open_market, "sell", "1", "100"))
    answer = await first.patch(f"orders/{order['id']}/", {"amount": "2"})
    assert (answer.status, answer.body["amount"], answer.body["state"]) == (200, "2", "open")
    assert (await first.patch(f"orders/{order['id']}/", {"amount": "2"})).body == answer.body, "a retry"
    await taker.post("orders/", limit(open_market, "buy", "1", "100"))
    assert (await first.get(f"orders/{order['id']}/")).body["filled"] == "1", "it kept its place"
    for amount in ("1", "0.5", "3"):
        assert refusal(await first.patch(f"orders/{order['id']}/", {"amount": amount})) == (
            422, "not_smaller", "amount")  # fmt: skip
    base = open_market.split("-")[0]
    assert (await wallet(first))[base] == ("8", "1")


async def test_a_reduction_under_a_key_is_done_once_and_answered_as_the_order_is_now(client, open_market):
    user = await rich(client, open_market)
    order = (await user.post("orders/", limit(open_market, "buy", "9", "100"))).body
    path = f"orders/{order['id']}/"

    async def reduce(amount, key, where=path):
        return await user.patch(where, {"amount": amount}, headers={"Idempotency-Key": key})

    both = await asyncio.gather(reduce("6", "k1"), reduce("6", "k1"), reduce("6", "k1"))
    assert [(answer.status, answer.body) for answer in both] == [(200, both[0].body)] * 3
    assert (await reduce("4", "k2")).body["amount"] == "4"
    late = await reduce("6", "k1")
    assert (late.status, late.body) == (200, (await user.get(path)).body), "no way back to 6, and no error"
    assert late.body["amount"] == "4"
    other = (await user.post("orders/", limit(open_market, "buy", "9", "100"))).body
    for answer in (
        await reduce("3", "k1"), await reduce("6", "k1", f"orders/{other['id']}/"),
        await user.post("orders/", limit(open_market, "buy", "9", "100"), headers={"Idempotency-Key": "k1"}),
        await user.patch("accounts/wallet/deposit/", {"amount": "1"}, headers={"Idempotency-Key": "k1"}),
        await reduce("2", other["client_order_id"]),
    ):  # fmt: skip
        assert refusal(answer) == (409, "idempotency_conflict", "Idempotency-Key")
    assert (await user.get("orders/by-client-id/k1/")).status == 404, "it is not an order's"
    await user.delete(path)
    assert (await reduce("6", "k1")).body["state"] == "canceled"
    refused = await reduce("1", "k3")
    assert refusal(refused) == (409, "order_done", None)
    assert (
        await user.patch("accounts/wallet/deposit/", {"amount": "1"}, headers={"Idempotency-Key": "k3"})
    ).status == 200


async def test_a_batch_has_an_outcome_for_each(client, open_market):
    user = await rich(client, open_market)
    orders = [
        limit(open_market, "buy", "1", "100"), limit(open_market, "buy", "1000", "100"),
        limit(open_market, "buy", "1", "100.001"), {"nonsense": 1}, limit(open_market, "sell", "1", "200"),
    ]  # fmt: skip
    answer = await user.post("orders/batch/", {"orders": orders})
    assert answer.status == 200
    assert [row["status"] for row in answer.body["results"]] == [201, 422, 422, 400, 201]
    assert [row["order"]["side"] for row in answer.body["results"] if "order" in row] == ["buy", "sell"]
    codes = [row["error"]["code"] for row in answer.body["results"] if "error" in row]
    assert codes == ["insufficient_funds", "not_on_tick", "unknown_field"]
    for wrong in ({"orders": []}, {"orders": [{}] * 51}, {}):
        assert (await user.post("orders/batch/", wrong)).status == 400


async def test_every_order_and_cancel_has_a_command(client, open_market):
    user = await rich(client, open_market)
    order = (await user.post("orders/", limit(open_market, "buy", "1", "100"))).body
    command = (await user.get(f"commands/{order['command_id']}/")).body
    assert command == {
        "id": order["command_id"], "kind": "place_order", "state": "decided", "outcome": "open",
        "order_id": order["id"], "journal": command["journal"],
    }  # fmt: skip
    assert command["journal"].keys() == {"partition", "offset"}


async def test_what_belongs_to_another_is_not_there(client, open_market):
    owner, stranger = await rich(client, open_market), await rich(client, open_market)
    order = (await owner.post("orders/", limit(open_market, "buy", "1", "100", client_order_id="own"))).body
    for answer in (
        await stranger.get(f"orders/{order['id']}/"), await stranger.delete(f"orders/{order['id']}/"),
        await stranger.patch(f"orders/{order['id']}/", {"amount": "0.5"}),
        await stranger.get("orders/by-client-id/own/"), await stranger.get(f"commands/{order['command_id']}/"),
    ):  # fmt: skip
        assert refusal(answer) == (404, "not_found", None)
    assert (await stranger.get(f"fills/?order_id={order['id']}")).body == {"results": [], "next": None}


async def test_orders_are_listed_by_state_and_in_pages(client, open_market):
    user = await rich(client, open_market)
    ids = [(await user.post("orders/", limit(open_market, "buy", "1", "10"))).body["id"] for _ in range(3)]
    await user.delete(f"orders/{ids[1]}/")

    async def listed(query):
        return [row["id"] for row in (await user.get(f"orders/?{query}")).body["results"]]

    assert await listed("") == ids[::-1]
    assert await listed("open=true") == [ids[2], ids[0]]
    assert await listed("open=false") == [ids[1]]
    assert await listed("state=canceled") == [ids[1]]
    page = (await user.get("orders/?limit=2")).body
    assert await listed(f"limit=2&cursor={page['next']}") == [ids[0]]
    assert refusal(await user.get("orders/?state=lost")) == (400, "invalid_field", "state")


async def test_two_instances_agree_at_once(client, open_market, second_door):
    user = await rich(client, open_market)
    there = second_door.client.as_user(user.token)
    for _ in range(5):
        order = (await user.post("orders/", limit(open_market, "buy", "1", "100"))).body
        assert (await there.get(f"orders/{order['id']}/")).body == order
        assert await wallet(there) == await wallet(user)
        canceled = await there.delete(f"orders/{order['id']}/")
        assert (await user.get(f"orders/{order['id']}/")).body == canceled.body


async def test_one_key_at_two_instances_at_once_does_the_work_once(client, open_market, second_door):
    user = await rich(client, open_market)
    doors = [user, second_door.client.as_user(user.token)] * 4

    async def at_once(method, path, body, key):
        answers = await asyncio.gather(
            *(door.call(method, path, body, headers={"Idempotency-Key": key}) for door in doors)
        )
        assert [(answer.status, answer.body) for answer in answers] == [(answers[0].status, answers[0].body)] * 8
        return answers[0]

    order = await at_once("POST", "orders/", limit(open_market, "buy", "9", "100"), "order")
    assert (order.status, order.body["state"]) == (201, "open")
    smaller = await at_once("PATCH", f"orders/{order.body['id']}/", {"amount": "4"}, "change")
    assert (smaller.status, smaller.body["amount"]) == (200, "4")
    assert (await at_once("PATCH", "accounts/wallet/deposit/", {"amount": "5"}, "in")).body["balance"] == "9605.00"
    assert (await at_once("PATCH", "accounts/wallet/withdraw/", {"amount": "7"}, "out")).body["balance"] == "9598.00"
    assert len((await user.get("orders/")).body["results"]) == 1


async def test_an_admin_orders_for_a_customer(admin, open_market):
    customer = (await admin.post("customers/", {"name": "Farbod"})).body
    body = limit(open_market, "buy", "0.5", "100", customer_id=customer["id"])
    order = (await admin.post("orders/", body)).body
    assert order["state"] == "open"
    assert (await admin.get(f"customers/{customer['id']}/")).body["balance"] == "50.00"
    assert (await admin.get(f"orders/{order['id']}/")).body == order
    assert (await admin.get("orders/")).body["results"] == [], "it is the customer's"
    smaller = await admin.patch(f"orders/{order['id']}/", {"amount": "0.3"}, headers={"Idempotency-Key": "for-farbod"})
    assert (smaller.status, smaller.body["amount"]) == (200, "0.3")
    canceled = await admin.delete(f"orders/{order['id']}/")
    assert (canceled.status, canceled.body["state"]) == (200, "canceled")
    assert (await admin.get(f"customers/{customer['id']}/")).body["balance"] == "100.00"
    assert refusal(await admin.post("orders/", body | {"customer_id": 999_999})) == (404, "not_found", None)


async def test_a_purchase_is_debited_when_it_is_answered(client, admin, open_market):
    base = open_market.split("-")[0]
    listed = await admin.call("PUT", f"exchanges/crypto-currencies/{base}/price/", {"price": "20"})
    assert (listed.status, listed.body) == (
        200, {"name": base, "price": "20.00", "journal": listed.body["journal"]})  # fmt: skip
    user = await rich(client, open_market)
    answer = await user.post("orders/", {"crypto": base, "amount": "3"})
    order = answer.body
    assert answer.status == 201
    assert order == {
        "id": order["id"], "crypto": base, "amount": "3", "price": "20.00", "total_price": "60.00", "state": "pending",
        "reason": None, "is_aggregated": False, "batch_id": None, "seq": order["seq"],
        "client_order_id": order["client_order_id"], "command_id": order["command_id"],
        "created_at": order["created_at"], "updated_at": order["updated_at"],
    }  # fmt: skip
    assert (await wallet(user))["USD"] == ("9940.00", "0.00")
    assert (await user.get(f"orders/{order['id']}/")).body == order


async def test_market_terms_change_by_the_journal(client, admin, open_market):
    user = await rich(client, open_market)
    change = {"status": "cancel_only", "maker_fee_bps": 5, "band_percent": "12.5", "min_notional": "1"}
    answer = await admin.patch(f"markets/{open_market}/", change)
    assert answer.status == 200
    assert answer.body["journal"].keys() == {"partition", "offset"}
    assert {name: answer.body[name] for name in change} == change | {"min_notional": "1.00"}
    assert refusal(await user.post("orders/", limit(open_market, "buy", "1", "100"))) == (
        422, "market_not_open", "market")  # fmt: skip
    back = await admin.patch(f"markets/{open_market}/", {"status": "open", "band_percent": None})
    assert (back.body["status"], back.body["band_percent"], back.body["maker_fee_bps"]) == ("open", None, 5)
    assert refusal(await admin.patch(f"markets/{open_market}/", {})) == (400, "missing_field", None)


async def test_fees_are_taken_in_what_is_received(client, admin, open_market):
    base = open_market.split("-")[0]
    await admin.patch(f"markets/{open_market}/", {"maker_fee_bps": 10, "taker_fee_bps": 20})
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    await maker.post("orders/", limit(open_market, "sell", "1", "100"))
    order = (await taker.post("orders/", limit(open_market, "buy", "1", "100"))).body
    assert [(fill["fee"], fill["fee_asset"]) for fill in order["fills"]] == [("0.002", base)]
    assert await wallet(taker) == {base: ("10.998", "0"), "USD": ("9900.00", "0.00")}
    assert await wallet(maker) == {base: ("9", "0"), "USD": ("10099.90", "0.00")}


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"symbol": "USD-AAA"}, 400, "invalid_field", "symbol"),
        ({"tick_size": "0"}, 400, "invalid_field", "tick_size"),
        ({"tick_size": "0.000001", "lot_size": "0.0001"}, 422, "invalid_market", "tick_size"),
        ({"maker_fee_bps": 10_001}, 400, "invalid_field", "maker_fee_bps"),
        ({"band_percent": "0.001"}, 400, "invalid_field", "band_percent"),
        ({"base": "NOPE", "symbol": "NOPE-USD"}, 404, "unknown_asset", "base"),
        ({}, 409, "already_exists", "symbol"),
    ],
)
async def test_a_market_that_cannot_be_is_refused(admin, open_market, change, status, code, field):
    base = open_market.split("-")[0]
    body = {"symbol": open_market, "base": base, "quote": "USD", "tick_size": "0.01", "lot_size": "0.0001"}
    assert refusal(await admin.post("markets/", body | change)) == (status, code, field)
