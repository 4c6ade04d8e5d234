"""Every combination of words names one order type or none."""

import itertools

from agents.matching.engine.order_types import ORDER_TYPES


def test_the_table_of_types():
    words = itertools.product(["limit", "market"], ["gtc", "ioc", "fok"], [False, True])
    rows = {some: (row.name, row.rests) if (row := ORDER_TYPES.get(some)) else None for some in words}
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
