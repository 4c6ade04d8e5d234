"""The proof of the books beside the work: what it shows, and that it is no burden."""

import asyncio
import dataclasses
import logging

import pytest

from ledger import proving
from ledger.connection import books
from ledger.proving import AWAY, prove, prove_for_ever
from ledger.queries import query
from ledger.reconcile import INVARIANTS
from ledger.seed import seed
from runtime.settings import Settings
from runtime.telemetry import metrics


def shown() -> dict[str, float]:
    (family,) = metrics.RECONCILE_DIFFERENCES.collect()
    return {sample.labels["invariant"]: sample.value for sample in family.samples}


@pytest.fixture(autouse=True)
def nothing_shown() -> None:
    metrics.RECONCILE_DIFFERENCES.clear()


async def test_books_that_are_right_show_no_difference(database: Settings) -> None:
    await seed(database)
    assert await prove(database) > 0
    assert shown() == dict.fromkeys(INVARIANTS, 0)


@pytest.mark.tampers
async def test_a_missing_atom_is_an_alarm(database: Settings, caplog: pytest.LogCaptureFixture) -> None:
    await seed(database)
    async with books(database) as connection:
        await connection.execute("update wallets set available = available - 1 where asset = 'USD'")
    with caplog.at_level(logging.ERROR):
        await prove(database)
    assert {invariant for invariant, wrong in shown().items() if wrong} >= {"I1", "I3"}
    assert [record.getMessage()[:24] for record in caplog.records] == ["ALARM: the books have 2 "]


async def test_one_process_at_a_time_proves(database: Settings) -> None:
    async with books(database) as other:
        assert await other.fetchval(query("proving.claim"))
        assert await prove(database) == 0
    assert shown() == {}


async def test_it_can_be_turned_off(space: Settings) -> None:
    settings = Settings(home=space.home, prove_every_s=0)
    await prove_for_ever(settings)


async def test_a_fault_of_the_proof_is_told(
    database: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(_report: object, _seconds: float) -> None:
        raise KeyError("I99")

    monkeypatch.setattr(proving, "_show", fault)
    with caplog.at_level(logging.ERROR):
        proofs = asyncio.create_task(prove_for_ever(dataclasses.replace(database, prove_every_s=1)))
        assert await asyncio.wait({proofs})
        with pytest.raises(KeyError):
            proofs.result()
    assert [record.getMessage() for record in caplog.records] == [
        "ALARM: the books are not proved any more: KeyError('I99')"
    ]


async def test_the_first_proof_does_not_wait_for_the_long_pause(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "FIRST_S", 0.01)
    await seed(database)
    proofs = asyncio.create_task(prove_for_ever(dataclasses.replace(database, prove_every_s=100_000)))
    while not shown():
        assert not proofs.done()
        await asyncio.sleep(0.01)
    proofs.cancel()
    await asyncio.wait({proofs})
    assert shown() == dict.fromkeys(INVARIANTS, 0)


async def test_books_that_are_away_are_asked_again_later(space: Settings) -> None:
    with pytest.raises(AWAY):
        await prove(dataclasses.replace(space, postgres_port=1))
