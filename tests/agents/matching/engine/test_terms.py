"""Which terms a market can have, and where the band lies."""

import dataclasses

import msgspec
import pytest

from agents.matching.engine.terms import MAX_ATOMS, MAX_PRICE_TICKS, Terms
from schemas.commands import ChangeMarket, OpenMarket

OPEN = OpenMarket(
    market="BTC-USD", command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8,
    tick_size="0.01", lot_size="0.0001", maker_fee_bps=1, taker_fee_bps=2, band_bps=3, min_notional_atoms=4,
)  # fmt: skip
TERMS = Terms.of(OPEN)


def test_tick_and_lot_become_whole_atoms():
    assert Terms("BTC", "USD", 8, 8, "0.01", "0.0001", 10_000, 100, "open", 1, 2, 3, 4, 1) == TERMS


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_scale": 9}, {"quote_scale": -1}, {"base": ""}, {"quote": "BTC"}, {"tick_size": "0"}, {"tick_size": "x"},
        {"lot_size": "0.000000001"}, {"tick_size": "0.00001"}, {"maker_fee_bps": 10_001}, {"taker_fee_bps": -1},
        {"band_bps": -1}, {"band_bps": 1_000_001}, {"min_notional_atoms": -1}, {"min_notional_atoms": MAX_ATOMS + 1},
    ],
)  # fmt: skip
def test_terms_that_no_market_can_have(wrong):
    wrong = {"quote_scale": 8, **wrong} if wrong != {"tick_size": "0.00001"} else {**wrong, "quote_scale": 6}
    assert Terms.of(msgspec.structs.replace(OPEN, **wrong)) is None


def test_a_change_touches_what_it_names():
    change = ChangeMarket(market="BTC-USD", command_id=2, number=2, status="halted", band_bps=0)
    assert TERMS.changed(change) == dataclasses.replace(TERMS, status="halted", band_bps=0)
    assert TERMS.changed(msgspec.structs.replace(change, band_bps=-1)) is None


@pytest.mark.parametrize(
    ("band_bps", "reference", "bounds"),
    [
        (1_000, 100, (90, 110)), (1_000, 99, (90, 108)), (1_000, 9, (9, 9)), (15_000, 100, (1, 250)),
        (0, 100, (1, MAX_PRICE_TICKS)), (1_000, None, (1, MAX_PRICE_TICKS)),
        (1_000, MAX_PRICE_TICKS, (MAX_PRICE_TICKS - MAX_PRICE_TICKS // 10, MAX_PRICE_TICKS)),
    ],
)  # fmt: skip
def test_the_band_is_measured_from_the_reference_and_its_edges_are_whole_ticks(band_bps, reference, bounds):
    assert dataclasses.replace(TERMS, band_bps=band_bps).band(reference) == bounds
