import json

from ledger.connection import books


async def test_books_that_are_right_are_said_to_be_right(verb):
    await verb("seed")
    said = await verb("reconcile")
    assert (said.code, said.err) == (0, "")
    assert said.out == "The books are right: I1, I2, I3, I4, I7, I9, I10 hold.\n"
    as_json = await verb("reconcile", "--json")
    assert json.loads(as_json.out) == {
        "ok": True, "invariants": ["I1", "I2", "I3", "I4", "I7", "I9", "I10"], "differences": [],
    }  # fmt: skip


async def test_an_atom_too_many_is_named(verb, database):
    await verb("seed")
    async with books(database) as connection:
        await connection.execute("update wallets set available = available + 1")
    said = await verb("reconcile")
    assert said.code == 1
    assert said.out == (
        "I1: USD should be 0, and is 1\n"
        "I3: 1 USD should be 100000000000 0, and is 100000000001 0\n"
        "2 differences.\n"
    )  # fmt: skip
    as_json = await verb("reconcile", "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["differences"][0] == {
        "invariant": "I1", "place": "USD", "expected": "0", "found": "1",
    }  # fmt: skip
