"""Executing again: everything or one market's part of it, which comes to the same for that market."""

import pytest

from agents.matching.agent import PROGRAM
from runtime.journal.errors import Refused
from runtime.journal.partition import Partition
from runtime.journal.replay import bring_to, concerning, within
from tests.runtime.journal.records import Fake, FakeSource
from tests.runtime.journal.test_comparing import MARKETS, journal


def test_all_records_that_can_be_a_markets_are_its_concern() -> None:
    values = [b'{"market":"BTC-USD"}', b'{"market":"ETH-USD"}', b'{"market":"\\u0042TC-USD"}', None, b"", b"nonsense"]
    records = [Fake(offset, value) for offset, value in enumerate(values)]
    assert [record.offset for record in concerning(records, "BTC-USD")] == [0, 2]
    assert concerning(records, None) is records


@pytest.mark.parametrize("stop", [0, 1, 9, 28])
@pytest.mark.parametrize("market", MARKETS)
async def test_one_markets_part_gives_the_market_that_everything_gives(market: str, stop: int) -> None:
    states, told = [], list[int]()
    for only in (None, market):
        state: Partition = Partition(PROGRAM, 3)
        await bring_to(state, FakeSource(journal()), "orders", stop, market=only, progress=told.append)
        assert state.next_offset == stop
        found = state.markets.get(market)
        states.append(found and (found.machine.snapshot(), [(one.seq, one.chain) for one in found.tracks]))
    assert states[0] == states[1]
    assert told == [*range(1, stop + 1)] * 2


async def test_it_goes_on_from_where_the_state_stands() -> None:
    state: Partition = Partition(PROGRAM, 3)
    source = FakeSource(journal())
    await bring_to(state, source, "orders", 10)
    await bring_to(state, source, "orders", 28)
    assert source.reads == [(0, 10), (10, 28)]


def test_offsets_that_a_journal_does_not_have_are_refused() -> None:
    within("orders/1", 5, 9, 5, 8, None)
    for begin, end, offset, words in (
        (0, 0, None, "orders/1 is empty: nothing was ever journaled there."),
        (5, 9, 9, "orders/1 ends at 9: offset 9 is not there yet."),
        (5, 9, 4, "orders/1 begins at 5: offset 4 was deleted."),
    ):
        with pytest.raises(Refused) as refused:
            within("orders/1", begin, end, offset)
        assert str(refused.value) == words
