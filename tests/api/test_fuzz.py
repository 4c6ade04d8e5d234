"""Nonsense on every route, from a fixed seed: whatever comes, the answer is ours, and it is never a fault of ours."""

import json
import random
import re

import pytest

from api.routing import Policy
from api.table import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
CASES = 40
ENVELOPE = {"code", "message", "field", "request_id"}
VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**40, 0.1, -0.0, 1e308, "", " ", "0", "-1", "1", "0.1", "1e5",
    "NaN", "Infinity", "١٢", "USD", "BTC-USD", "buy", "limit", "🌊", "a" * 65, "a" * 5000, "\u202e",
    "'; drop table users",
    "../../etc", "%00", "{}", [], {}, [1], {"a": 1}, [[[[]]]], [{}] * 60, "admin", "new_password", "2026-01-01",
]  # fmt: skip
PARTS = [
    "0",
    "1",
    "99",
    str(2**63),
    "9" * 19,
    "9" * 30,
    "BTC-USD",
    "A-B",
    "a",
    "%2e%2e",
    "%ff",
    "x:y/z",
    "-",
    "%00",
    "🌊",
]


def fields_of(route):
    bodies = [] if route.body is None else getattr(route.body, "__args__", (route.body,))
    return sorted({name for body in bodies for name in body.model_fields})


def sample(route):
    """A body that is nearly right: some fields good, some nonsense, some missing, one perhaps too many."""
    body = {name: random.choice(VALUES) for name in fields_of(route) if random.random() < 0.8}
    good = {"market": "BTC-USD", "side": "buy", "amount": "1", "price": "1", "username": "ada", "password": "12345678"}
    body |= {name: value for name, value in good.items() if name in body and random.random() < 0.6}
    if random.random() < 0.1:
        body[random.choice(["", "x", "__proto__", "🌊"])] = random.choice(VALUES)
    return body


def path_of(route):
    path = re.sub(r"\{[a-z_]+\}", lambda _: random.choice(PARTS), route.plain_path)
    if random.random() < 0.3:
        names = [*(route.query.model_fields if route.query else ()), "x"]
        path += "?" + "&".join(f"{random.choice(names)}={random.choice(PARTS)}" for _ in range(random.randint(1, 3)))
    return path


def is_honest(answer):
    """A server behind us that is late on a busy machine is said so: as an error, or by /ready per part."""
    if "error" in answer.body:
        return answer.code == "unavailable"
    return answer.body["ready"] is False and any(answer.body["parts"].values())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.plain_path}")
async def test_nonsense_is_answered_in_order(route, client, admin):
    random.seed(f"{route.method} {route.path}")
    caller = client if route.policy is Policy.PUBLIC else admin
    for _ in range(CASES):
        path, raw = path_of(route), None
        if route.body is not None:
            raw = json.dumps(sample(route)).encode()
            if random.random() < 0.15:
                cut = random.randrange(len(raw))
                raw = raw[:cut] + bytes(random.randrange(256) for _ in range(3)) + raw[cut + 2 :]
        headers = {"Idempotency-Key": random.choice(["k", "", "ä", "x" * 70])} if random.random() < 0.2 else {}
        answer = await caller.call(route.method, path, raw, headers=headers)
        assert answer.status < 500 or is_honest(answer), (path, raw, answer)
        if answer.status >= 400 and isinstance(answer.body, dict) and "error" in answer.body:
            assert answer.body["error"].keys() == ENVELOPE
            assert answer.body["error"]["message"].endswith("."), answer.body
        assert "Traceback" not in str(answer.body)
