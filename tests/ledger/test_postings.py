import pytest

from ledger.postings import Posting, adjustment, deposit, sums, withdrawal


def test_a_deposit_comes_from_outside():
    assert deposit(7, "USD", 100) == (
        Posting("wallet", "USD", 100, user_id=7, type="deposit"),
        Posting("deposits", "USD", -100),
    )


def test_a_withdrawal_goes_outside():
    assert withdrawal(7, "USD", 100) == (
        Posting("wallet", "USD", -100, user_id=7, type="withdrawal"),
        Posting("withdrawals", "USD", 100),
    )


def test_an_adjustment_goes_either_way():
    assert adjustment(7, "USD", -100) == (
        Posting("wallet", "USD", -100, user_id=7, type="adjustment"),
        Posting("adjustments", "USD", 100),
    )


@pytest.mark.parametrize("legs", [deposit, withdrawal, adjustment])
def test_the_legs_sum_to_zero(legs):
    assert sums(legs(7, "USD", 123)) == {}


def test_a_leg_that_is_missing_is_seen_per_asset():
    assert sums([*deposit(7, "USD", 5), Posting("fees", "BTC", 3)]) == {"BTC": 3}
