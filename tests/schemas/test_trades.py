import json
import random
import re

from jsonschema import Draft202012Validator

from schemas.trades import contract
from tests.agents.marketdata.market import Exchange

SCHEMA = json.loads(contract())


def trades() -> list[dict[str, object]]:
    exchange, chance = Exchange(), random.Random(1)
    while len(exchange.trades) < 100:
        exchange.anything(chance)
    return [json.loads(value) for value in exchange.trades]


def test_every_trade_of_the_engine_keeps_the_contract():
    Draft202012Validator.check_schema(SCHEMA)
    told = trades()
    assert {trade["kind"] for trade in told} == {"book", "house"}
    assert [error.message for trade in told for error in Draft202012Validator(SCHEMA).iter_errors(trade)] == []
    assert [list(trade) for trade in told] == [SCHEMA["required"]] * len(told)


def test_the_contract_names_no_user():
    assert not re.search("user|maker", " ".join(SCHEMA["properties"]))


def test_what_breaks_the_contract_is_seen():
    wrong = {"price": "1e5", "trade_seq": 0, "taker_side": "both", "chain": "x", "time_ms": "5", "market": None}
    trade = trades()[0] | wrong
    found = [error.path[0] for error in Draft202012Validator(SCHEMA).iter_errors(trade)]
    assert sorted(found) == sorted(wrong)
