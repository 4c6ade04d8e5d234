"""The agent's own process recovers a journal that was written before it started, with and without a snapshot."""

from agents.matching.bench.recovery import measure_recovery
from runtime.bench import Measuring


async def test_a_journal_is_executed_again_and_then_started_from_its_snapshot(space):
    measuring = Measuring(space, repeats=1)
    await measure_recovery(measuring, commands=10_500, tail=200)
    assert [row.name for row in measuring.rows] == [
        "10,500 commands executed again, from the journal's start",
        "10,500 commands executed again",
        "started from a snapshot, 200 commands behind it",
        "started from a snapshot, one command behind it",
    ]
    assert all(row.median > 0 for row in measuring.rows)
