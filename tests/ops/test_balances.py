from types import SimpleNamespace

import pytest

from ledger.replay.at_offset import Balances
from ledger.settlement import Wallet
from ops.balances import shown
from runtime import kafka
from schemas.topics import CHANGELOGS, TOPICS

FOUND = Balances(
    1_700_000_000_000,
    {(2, "USD"): Wallet(150, 50, 0), (1, "USD"): Wallet(), (1, "BTC"): Wallet(0, 0, 7)},
    {1: "ada", 2: "bob"},
    {"USD": 2, "BTC": 8},
)


def row(user_id: int, user: str, asset: str, available: str, held: str, pending: str) -> dict[str, object]:
    return {
        "user_id": user_id, "user": user, "asset": asset, "available": available, "held": held, "pending": pending,
    }  # fmt: skip


ADA, BOB = row(1, "ada", "BTC", "0", "0", "0.00000007"), row(2, "bob", "USD", "1.50", "0.50", "0.00")


@pytest.mark.parametrize(("user", "rows"), [(None, [ADA, BOB]), ("bob", [BOB]), ("1", [ADA])])
def test_wallets_that_have_anything_are_shown_by_user(user, rows):
    assert list(shown(FOUND, user)) == rows


async def test_what_makes_no_sense_is_one_sentence(verb, stack):
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await verb("seed")
    cases = SimpleNamespace(
        nowhere=("--at-offset", "0"), unknown=("--at-offset", "0", "--market", "NO-USD"),
        early=("--at-offset", "0", "--market", "BTC-USD"),
    )  # fmt: skip
    said = [await verb("balances", *words, KAFKA_PARTITIONS="4") for words in vars(cases).values()]
    assert [one.code for one in said] == [2, 2, 2]
    assert [one.err for one in said] == [
        "tidemark: An offset belongs to one partition of the journal: name the --market.\n",
        "tidemark: There is no market NO-USD: `tidemark shell` or GET markets lists them.\n",
        "tidemark: Partition 0 of the journal has no record yet.\n",
    ]
