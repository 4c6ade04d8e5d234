import dataclasses

import pytest

from ledger.postings import adjustment, deposit, withdrawal
from ledger.transfer_rules import FormerUse, Refused, Repeat, TransferRequest, TransferState, decide

DEPOSIT = TransferRequest(kind="deposit", user_id=7, asset="USD", amount_atoms=100, requested_by=7, key="k", digest="d")
WITHDRAWAL = dataclasses.replace(DEPOSIT, kind="withdrawal")
ADJUSTMENT = dataclasses.replace(DEPOSIT, kind="adjustment", amount_atoms=-100, requested_by=1)
RICH = TransferState(available=100, total=1_000, gross=1_000)
SEEN = FormerUse(subject="transfer", subject_id=5, digest="d")
LIMIT = 1 << 62


@pytest.mark.parametrize(
    ("request_", "changes", "answer"),
    [
        (DEPOSIT, {}, deposit(7, "USD", 100)),
        (WITHDRAWAL, {}, withdrawal(7, "USD", 100)),
        (WITHDRAWAL, {"available": 99}, Refused.INSUFFICIENT_FUNDS),
        (ADJUSTMENT, {}, adjustment(7, "USD", -100)),
        (ADJUSTMENT, {"available": 99}, Refused.INSUFFICIENT_FUNDS),
        (DEPOSIT, {"available": None}, Refused.UNKNOWN_WALLET),
        (dataclasses.replace(DEPOSIT, amount_atoms=0), {}, Refused.NOT_POSITIVE),
        (dataclasses.replace(DEPOSIT, amount_atoms=-1), {}, Refused.NOT_POSITIVE),
        (dataclasses.replace(WITHDRAWAL, amount_atoms=-1), {}, Refused.NOT_POSITIVE),
        (dataclasses.replace(ADJUSTMENT, amount_atoms=0), {}, Refused.NOT_POSITIVE),
        (DEPOSIT, {"total": LIMIT - 100}, deposit(7, "USD", 100)),
        (DEPOSIT, {"total": LIMIT - 99}, Refused.AMOUNT_TOO_LARGE),
        (WITHDRAWAL, {"total": LIMIT}, withdrawal(7, "USD", 100)),
        (DEPOSIT, {"gross": 2 * LIMIT - 100}, Refused.AMOUNT_TOO_LARGE),
        (DEPOSIT, {"former_use": SEEN}, Repeat(5)),
        (DEPOSIT, {"former_use": dataclasses.replace(SEEN, digest="e")}, Refused.IDEMPOTENCY_CONFLICT),
        (DEPOSIT, {"former_use": dataclasses.replace(SEEN, subject="order")}, Refused.IDEMPOTENCY_CONFLICT),
        (DEPOSIT, {"signature_seen": True}, Refused.REPLAYED),
    ],
)
def test_the_answer_follows_from_the_request_and_the_books(request_, changes, answer):
    assert decide(request_, dataclasses.replace(RICH, **changes)) == answer


def test_a_repeat_is_answered_even_when_it_could_not_be_done_again():
    state = dataclasses.replace(RICH, available=0, former_use=SEEN)
    assert decide(WITHDRAWAL, state) == Repeat(5)


def test_a_signature_seen_before_is_refused_even_with_the_right_key():
    assert decide(DEPOSIT, dataclasses.replace(RICH, former_use=SEEN, signature_seen=True)) == Refused.REPLAYED
