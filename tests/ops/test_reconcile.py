import asyncio
import json
import os
import pty
import sys

import pytest

from ledger.connection import books
from ledger.reconcile import CHECKS
from tests.ops.conftest import ROOT, environment

INVARIANTS = ["I1", "I2", "I3", "I4", "I7", "I8", "I9", "I10", "I15"]


async def test_books_that_are_right_are_said_to_be_right(verb):
    await verb("seed")
    said = await verb("reconcile")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "The books are right: I1, I2, I3, I4, I7, I8, I9, I10, I15 hold "
        "(1 assets, 1 wallets, 1 transfers, 0 orders, 0 trades, 0 batches).\n"
    )
    as_json = await verb("reconcile", "--json")
    assert json.loads(as_json.out) == {
        "ok": True, "invariants": INVARIANTS, "differences": [], "first": None,
        "counts": {"assets": 1, "wallets": 1, "transfers": 1, "orders": 0, "trades": 0, "batches": 0},
    }  # fmt: skip


@pytest.mark.tampers
async def test_an_atom_too_many_is_named_and_where_it_began(verb, database):
    await verb("seed")
    async with books(database) as connection:
        await connection.execute("update postings set amount = amount + 1 where user_id = 1")
        await connection.execute("update transfers set created_at = '2026-01-02 03:04:05.678Z'")
    said = await verb("reconcile")
    assert said.code == 1
    began = "transfer 1, deposit (2026-01-02 03:04:05.678000 UTC)"
    assert said.out == (
        f"I3: transfer 1 in USD should be 0, and is 1; it began with {began}\n"
        "I3: wallet of user 1 in USD should be 100000000001, and is 100000000000;"
        f" it began with {began}: it is wrong by itself\n"
        "2 differences in 1 assets, 1 wallets, 1 transfers, 0 orders, 0 trades, 0 batches.\n"
        f"The first began with {began}.\n"
    )
    as_json = await verb("reconcile", "--json")
    assert as_json.code == 1
    told = json.loads(as_json.out)
    origin = {"thing": "transfer 1, deposit", "at": "2026-01-02T03:04:05.678000+00:00"}
    assert (told["ok"], told["first"]) == (False, origin)
    assert told["differences"][0] == {
        "invariant": "I3", "place": "transfer 1 in USD", "expected": "0", "found": "1", "transfer_id": 1,
        "asset": "USD", "began": origin,
    }  # fmt: skip


async def test_books_that_cannot_be_asked_are_neither_right_nor_wrong(verb):
    said = await verb("reconcile", "--json", POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1")
    assert (said.code, said.out) == (1, "")
    assert "PostgreSQL does not answer at 127.0.0.1:1" in said.err


async def test_who_waits_at_a_terminal_sees_how_far_it_is(verb, database):
    await verb("seed")
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.cli", "reconcile", cwd=ROOT, env=environment(database), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_read, ours)
    assert await process.wait() == 0
    assert f"0 of {len(CHECKS)} checks" in shown
    assert shown.index("checks") < shown.index("The books are right")


def _read(terminal: int) -> str:
    """Until nobody writes there any more."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 1024)
        except OSError:
            os.close(terminal)
            return shown.decode()
