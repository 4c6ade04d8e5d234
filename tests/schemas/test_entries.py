import msgspec
import pytest

from schemas.entries import (
    AccountOpened,
    Adjusted,
    AdminMade,
    CurrencyAdded,
    Deposited,
    Withdrawn,
    decode_entry,
    encode_entry,
    entry_of,
)

MOVED = {
    "transfer_id": 5, "kind": "whatever", "user_id": 7, "asset": "USD", "amount_atoms": -3, "requested_by": 1,
    "idempotency_key": None, "digest": "", "note": "counted wrong", "at_us": 1,
}  # fmt: skip
FIELDS = {name: value for name, value in MOVED.items() if name != "kind"}


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("deposit", Deposited(entry_id=2, **FIELDS)),
        ("withdrawal", Withdrawn(entry_id=2, **FIELDS)),
        ("adjustment", Adjusted(entry_id=2, **FIELDS)),
    ],
)
def test_a_row_of_the_outbox_stands_for_one_entry_that_is_read_as_it_was_written(kind, entry):
    assert entry_of(kind, 2, MOVED) == entry
    assert decode_entry(encode_entry(entry)) == entry


def test_an_account_is_told_without_its_password():
    entry = entry_of("account", 1, {"user_id": 7, "username": "bob", "name": None, "is_admin": False, "at_us": 1})
    assert entry == AccountOpened(entry_id=1, user_id=7, username="bob", name=None, is_admin=False, at_us=1)
    assert encode_entry(entry) == (
        b'{"type":"account_opened","entry_id":1,"user_id":7,"username":"bob","name":null,"is_admin":false,"at_us":1}'
    )


def test_a_record_that_is_no_entry_is_refused():
    with pytest.raises(msgspec.DecodeError):
        decode_entry(b'{"type":"gift"}')


def test_a_customer_is_told_with_the_key_that_asked_for_him():
    told = {"user_id": 7, "username": None, "name": "Farbod", "is_admin": False, "at_us": 1}
    keyed = told | {"requested_by": 1, "idempotency_key": "k", "digest": "d"}
    entry = entry_of("account", 1, keyed)
    assert entry == AccountOpened(entry_id=1, **keyed)
    assert decode_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize(
    ("kind", "fields", "entry"),
    [
        ("admin", {"user_id": 7, "at_us": 1}, AdminMade(entry_id=3, user_id=7, at_us=1)),
        (
            "currency",
            {"code": "BTC", "name": "Bitcoin", "scale": 8, "at_us": 1},
            CurrencyAdded(entry_id=3, code="BTC", name="Bitcoin", scale=8, at_us=1),
        ),
    ],
)
def test_new_admins_and_currencies_are_told(kind, fields, entry):
    assert entry_of(kind, 3, fields) == entry
    assert decode_entry(encode_entry(entry)) == entry
