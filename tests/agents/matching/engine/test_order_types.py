"""Every combination of words names one order type or none."""

import itertools

import msgspec

from agents.matching.engine.order_types import order_type
from schemas.commands import Hold, PlaceOrder

ORDER = PlaceOrder(
    market="A-B", command_id=1, number=1, order_id=1, user_id=1, side="buy", kind="limit", hold=Hold("B", 1)
)


def test_the_table_of_types():
    rows = {}
    for kind, time_in_force, post_only in itertools.product(["limit", "market"], ["gtc", "ioc", "fok"], [False, True]):
        order = msgspec.structs.replace(ORDER, kind=kind, time_in_force=time_in_force, post_only=post_only)
        row = order_type(order)
        rows[kind, time_in_force, post_only] = row and (row.name, row.rests)
    assert rows == {
        ("limit", "gtc", False): ("limit", True),
        ("limit", "gtc", True): ("post_only", True),
        ("limit", "ioc", False): ("immediate_or_cancel", False),
        ("limit", "ioc", True): None,
        ("limit", "fok", False): ("fill_or_kill", False),
        ("limit", "fok", True): None,
        ("market", "gtc", False): ("market", False),
        ("market", "gtc", True): None,
        ("market", "ioc", False): ("market", False),
        ("market", "ioc", True): None,
        ("market", "fok", False): ("market_fill_or_kill", False),
        ("market", "fok", True): None,
    }
