import dataclasses

from ledger.hold_rules import Books, FormerOrder, NewOrder, Placed, Refused, SameAs, decide

LIMIT = 3


def order(key: str, atoms: int = 10, user_id: int = 7, **changes: object) -> NewOrder:
    """A buy of user 7 that holds so many atoms; the digest is of the key, so that equal keys are equal bodies."""
    new = NewOrder(
        user_id=user_id, market="BTC-USD", kind="limit", side="buy", time_in_force="gtc", self_trade="expire_taker",
        lots=1, price_ticks=atoms, hold_asset="USD", hold_atoms=atoms, key=key, digest=f"body of {key}",
    )  # fmt: skip
    return dataclasses.replace(new, **changes)  # type: ignore[arg-type]


def books(available: int = 100, open_orders: int = 0, former: dict[str, FormerOrder] | None = None) -> Books:
    return Books(
        available={(7, "USD"): available, (8, "USD"): available},
        open_orders={(7, "BTC-USD"): open_orders},
        former={(7, key): use for key, use in (former or {}).items()},
    )


def test_orders_that_can_be_paid_are_placed():
    orders = [order("a", 60), order("b", 40)]
    assert decide(orders, books(), LIMIT) == orders


def test_one_that_cannot_be_paid_fails_alone_and_leaves_the_money_to_those_behind_it():
    orders = [order("a", 60), order("b", 41), order("c", 40)]
    assert decide(orders, books(), LIMIT) == [orders[0], Refused.INSUFFICIENT_FUNDS, orders[2]]


def test_a_wallet_that_is_not_there_is_empty():
    assert decide([order("a", 1, user_id=9)], books(), LIMIT) == [Refused.INSUFFICIENT_FUNDS]
    assert decide([order("a", 1, hold_asset="BTC")], books(), LIMIT) == [Refused.INSUFFICIENT_FUNDS]


def test_a_user_has_only_so_many_open_orders_in_a_market():
    orders = [order("a"), order("b"), order("c"), order("d", market="ETH-USD"), order("e", user_id=8)]
    assert decide(orders, books(open_orders=1), LIMIT) == [
        orders[0],
        orders[1],
        Refused.TOO_MANY_OPEN_ORDERS,
        orders[3],
        orders[4],
    ]


def test_a_retry_is_answered_with_the_order_of_before_even_when_the_money_has_gone():
    former = {"a": FormerOrder("body of a", 5, 6)}
    assert decide([order("a")], books(available=0, open_orders=LIMIT, former=former), LIMIT) == [
        Placed(5, 6, repeated=True)
    ]


def test_a_key_belongs_to_one_body_for_ever():
    former = {"a": FormerOrder("another body", 5, 6)}
    assert decide([order("a")], books(former=former), LIMIT) == [Refused.IDEMPOTENCY_CONFLICT]


def test_a_key_of_a_transfer_is_not_one_of_an_order():
    former = {"a": FormerOrder("body of a", None, None)}
    assert decide([order("a")], books(former=former), LIMIT) == [Refused.IDEMPOTENCY_CONFLICT]


def test_the_same_key_twice_in_a_batch_is_one_order():
    orders = [order("a", 60), order("b", 10), order("a", 60), order("a", 60, digest="another body")]
    assert decide(orders, books(), LIMIT) == [orders[0], orders[1], SameAs(0), Refused.IDEMPOTENCY_CONFLICT]


def test_a_key_whose_first_order_was_refused_is_free():
    orders = [order("a", 101), order("a", 100, digest="smaller")]
    assert decide(orders, books(), LIMIT) == [Refused.INSUFFICIENT_FUNDS, orders[1]]


def test_the_same_key_of_two_users_is_two_orders():
    orders = [order("a"), order("a", user_id=8)]
    assert decide(orders, books(), LIMIT) == orders


def test_a_key_is_in_the_name_space_of_whoever_placed_the_order():
    former = {"a": FormerOrder("body of a", 5, 6)}
    on_behalf = order("a", user_id=8, placed_by=7)
    assert decide([on_behalf], books(former=former), LIMIT) == [Placed(5, 6, repeated=True)]
