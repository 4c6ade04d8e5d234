"""`tidemark batch`: what an operator sees of batches, and a person's word on one that stays unknown."""

import json

import pytest

from agents.settlement.desk.patience import MARGIN_MS
from ledger.connection import books

pytestmark = pytest.mark.tampers  # batches without purchases

BATCHES = """
insert into currencies (code, name, scale) values ('ABAN', 'Aban', 8);
insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,
                     tick_lot_quote_atoms, is_house, house_price_ticks)
values ('ABAN-USD', 'ABAN', 'USD', 2, 8, 8, 0.01, 0.0001, 10000, 100, true, 2000);
insert into batches (id, market, number, lots, notional_atoms, state, created_at)
values ('ABAN-USD-1', 'ABAN-USD', 1, 5000, 1000000000, 'closed', '2026-01-01T00:00:00Z'),
       ('ABAN-USD-2', 'ABAN-USD', 2, 1, 200000, 'open', '2026-01-01T00:00:01Z');
"""
ATTEMPT = """
insert into batch_attempts (batch_id, exchange, attempts, expires_at, last_error)
values ('ABAN-USD-1', 'simulated', 3, now() - $1::integer * interval '1 millisecond', 'no answer')
"""


@pytest.fixture
async def unknown(database):
    """Two batches; the exchange was asked about the first, in vain."""
    async with books(database) as connection:
        await connection.execute(BATCHES)
        await connection.execute(ATTEMPT, MARGIN_MS + 1)
        yield connection


async def verdict(connection):
    row = await connection.fetchrow("select verdict::text, resolved_by from batch_attempts")
    said = None if row["verdict"] is None else {**json.loads(row["verdict"]), "time_ms": 0}
    return said, row["resolved_by"]


async def test_the_newest_batches_are_a_line_each(verb, unknown):
    said = await verb("batch", "list")
    assert (said.code, said.out.splitlines()) == (0, [
        "ABAN-USD-2           open               0.0001 ABAN       0 orders",
        "ABAN-USD-1           sending               0.5 ABAN       0 orders",
    ])  # fmt: skip
    assert (await verb("batch", "list", "--limit", "1")).out.splitlines() == said.out.splitlines()[:1]


async def test_one_batch_is_shown_whole(verb, unknown):
    said = await verb("batch", "show", "ABAN-USD-1")
    account = dict.fromkeys(("charged", "charged_asset", "paid", "gain", "bought", "delivered", "inventory"))
    assert (said.code, json.loads(said.out)) == (0, {
        "id": "ABAN-USD-1", "crypto": "ABAN", "market": "ABAN-USD", "amount": "0.5", "notional": "10.00",
        "topped_up": "0.00", "state": "sending", "orders": [], "attempts": 3, "last_error": "no answer",
        "resolved_by": None, "exchange_order_id": None, **account, "created_at": "2026-01-01T00:00:00.000Z",
        "closed_at": None, "settled_at": None,
    })  # fmt: skip


async def test_a_batch_that_is_not_there_is_said_so(verb, unknown):
    said = await verb("batch", "show", "ABAN-USD-3")
    assert (said.code, said.err) == (1, "tidemark: There is no batch ABAN-USD-3.\n")


async def test_a_person_may_say_that_it_was_bought(verb, unknown):
    word = ("--filled", "0.4", "--charged", "8.1", "--order", "x-7", "--by", "ada")
    assert (await verb("batch", "resolve", "ABAN-USD-1", *word)).code == 0
    assert await verdict(unknown) == ({
        "type": "filled", "market": "ABAN-USD", "batch_id": "ABAN-USD-1", "exchange": "by hand",
        "exchange_order_id": "x-7", "base_atoms": 40_000_000, "charged_asset": "USD", "charged_atoms": 810_000_000,
        "time_ms": 0,
    }, "ada")  # fmt: skip


async def test_a_person_may_say_that_it_failed_and_only_once(verb, unknown):
    word = ("--failed", "never heard of it", "--by", "ada")
    assert (await verb("batch", "resolve", "ABAN-USD-1", *word)).code == 0
    failed = await verdict(unknown)
    assert failed == ({
        "type": "failed", "market": "ABAN-USD", "batch_id": "ABAN-USD-1", "exchange": "by hand",
        "reason": "never heard of it", "time_ms": 0,
    }, "ada")  # fmt: skip
    again = await verb("batch", "resolve", "ABAN-USD-1", "--filled", "1", "--charged", "1", "--by", "eve")
    assert (again.code, "has its word already" in again.err) == (1, True)
    assert await verdict(unknown) == failed


async def test_nobody_decides_while_an_attempt_may_be_under_way(verb, unknown):
    await unknown.execute("update batch_attempts set expires_at = now()")
    said = await verb("batch", "resolve", "ABAN-USD-1", "--failed", "impatience", "--by", "ada")
    assert (said.code, "was just asked for" in said.err) == (1, True)
    assert await verdict(unknown) == (None, None)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (("ABAN-USD-1", "--filled", "0.4"), "--filled needs --charged, for the house's accounts."),
        (("ABAN-USD-1", "--filled", "0.123456789", "--charged", "1"), "filled may have at most 8 decimals."),
        (("ABAN-USD-1", "--filled", "1", "--charged", "-1"), "charged must not be negative."),
        (("ABAN-USD-2", "--failed", "x"), "ABAN-USD-2 is no batch that waits for the exchange's word."),
        (("ABAN-USD-9", "--failed", "x"), "ABAN-USD-9 is no batch that waits for the exchange's word."),
    ],
)
async def test_a_word_that_cannot_be_booked_is_refused(verb, unknown, word, sentence):
    said = await verb("batch", "resolve", *word, "--by", "ada")
    assert (said.code, said.err) == (1, f"tidemark: {sentence}\n")
    assert await verdict(unknown) == (None, None)
