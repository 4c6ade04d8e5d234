import random

from api.sockets.levels import Levels
from schemas.checksum import checksum


def test_levels_are_in_the_order_of_their_numbers_not_of_their_text():
    levels = Levels([("9.5", "1"), ("10.00", "2"), ("9.75", "3")], [("11", "1"), ("100.1", "2"), ("20.25", "3")])
    assert list(levels.bids) == [("10.00", "2"), ("9.75", "3"), ("9.5", "1")]
    assert list(levels.asks) == [("11", "1"), ("20.25", "3"), ("100.1", "2")]


def test_an_amount_replaces_and_nothing_removes():
    levels = Levels([("1", "5")], [])
    levels.apply([("2", "1"), ("1", "4")], [("3", "1"), ("4", "0")])
    assert (list(levels.bids), list(levels.asks)) == ([("2", "1"), ("1", "4")], [("3", "1")])
    levels.apply([("2", "0"), ("2", "0")], [("3", "0")])
    assert (list(levels.bids), list(levels.asks)) == ([("1", "4")], [])


def test_any_changes_lead_to_the_same_as_a_plain_table():
    chance = random.Random(1)
    levels, plain = Levels([], []), ({}, {})
    for _ in range(3000):
        side = chance.randrange(2)
        price, amount = f"{chance.randint(1, 60)}.{chance.choice(('00', '5', '25'))}", str(chance.choice((0, 0, 1, 2)))
        levels.apply(*(([(price, amount)], []) if side == 0 else ([], [(price, amount)])))
        plain[side].pop(float(price), None)
        if amount != "0":
            plain[side][float(price)] = (price, amount)
    bids, asks = ([plain[side][key] for key in sorted(plain[side], reverse=side == 0)] for side in (0, 1))
    assert (list(levels.bids), list(levels.asks)) == (bids, asks)
    assert levels.checksum() == checksum(bids, asks)
