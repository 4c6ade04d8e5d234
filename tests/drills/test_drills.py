from pathlib import Path

import pytest

from tests.drills.__main__ import table
from tests.drills.drills import DRILLS, Outcome, practise


def test_every_row_that_can_be_practised_has_a_drill():
    killed = {name.removeprefix("kill-") for name in DRILLS if name.startswith("kill-")}
    assert killed == {
        "api", "matching", "wallet", "marketdata", "settlement", "desk", "exchange", "valkey", "postgres", "kafka",
        "supervisor",
    }  # fmt: skip
    assert DRILLS.keys() - {f"kill-{name}" for name in killed} == {
        "redis-wiped", "snapshots-deleted", "views-lost", "older-backup",
    }  # fmt: skip


def test_the_table_says_what_was_done_and_what_did_not_hold():
    outcomes = [
        Outcome("kill-api", "kill -9 of api", 2.04, 1234, 5, ["books right", "history right"]),
        Outcome("views-lost", "candles and trades damaged", failed="3 of candles are still different"),
    ]
    head, _line, first, second = table(outcomes).splitlines()
    assert head.split("  ")[0] == "drill"
    assert first.split(maxsplit=1) == [
        "kill-api", "kill -9 of api              2.0 s    1,234 orders, 5 asked again  books right, history right",
    ]  # fmt: skip
    assert second.endswith("FAILED: 3 of candles are still different")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kill-wallet", "redis-wiped"])
async def test_a_drill_comes_back_and_its_checks_hold(tmp_path: Path, name: str):
    (outcome,) = await practise(tmp_path, [name], clients=3)
    assert outcome.failed is None
    assert {"books right", "history right"} <= set(outcome.checked)
