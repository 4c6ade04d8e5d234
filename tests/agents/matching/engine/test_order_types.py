"""Every combination of words names one order type or none."""

import itertools

from agents.matching.engine.order_types import ORDER_TYPES


def test_the_table_of_types():
    rows = {}
    for kind, time_in_force, post_only in itertools.product(["limit", "market"], ["gtc", "ioc", "fok"], [False, True]):
        row = ORDER_TYPES[kind][time_in_force][post_only]
        rows[kind, time_in_force, post_only] = (row.name, row.rests) if row else None
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
