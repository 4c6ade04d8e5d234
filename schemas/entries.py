"""What moved in the books without the journal: the values of `ledger.entries`, as JSON objects that a person can read.

With these, the commands, the executions and what became of batches, the books can be made again from topics alone. An
entry may come twice; `entry_id` tells the repeat. Passwords are not among them: an admin gives new ones afterwards.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

ENTRIES_VERSION = 1


class AccountOpened(msgspec.Struct, frozen=True, gc=False, tag="account_opened", kw_only=True, omit_defaults=True):
    """A user, or a customer without a login, who has no username. The key is of the admin who asked for a customer."""

    entry_id: int
    user_id: int
    username: str | None
    name: str | None
    is_admin: bool
    at_us: int
    requested_by: int | None = None
    idempotency_key: str | None = None
    digest: str = ""


class AdminMade(msgspec.Struct, frozen=True, gc=False, tag="admin_made", kw_only=True):
    """A user who was there became an admin."""

    entry_id: int
    user_id: int
    at_us: int


class CurrencyAdded(msgspec.Struct, frozen=True, gc=False, tag="currency_added", kw_only=True):
    """There is something new to own."""

    entry_id: int
    code: str
    name: str
    scale: int
    at_us: int


class _Moved(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A transfer over the border: `amount_atoms` is what the wallet gained, negative when it lost."""

    entry_id: int
    transfer_id: int
    user_id: int
    asset: str
    amount_atoms: int
    requested_by: int
    idempotency_key: str | None
    digest: str
    note: str | None
    at_us: int


class Deposited(_Moved, frozen=True, gc=False, tag="deposited", kw_only=True):
    """Money came in."""


class Withdrawn(_Moved, frozen=True, gc=False, tag="withdrawn", kw_only=True):
    """Money went out."""


class Adjusted(_Moved, frozen=True, gc=False, tag="adjusted", kw_only=True):
    """An admin corrected a wallet; `note` says why."""


Moved = Deposited | Withdrawn | Adjusted
Entry = AccountOpened | AdminMade | CurrencyAdded | Moved
KINDS: Mapping[str, type[Entry]] = {
    "account": AccountOpened,
    "admin": AdminMade,
    "currency": CurrencyAdded,
    "deposit": Deposited,
    "withdrawal": Withdrawn,
    "adjustment": Adjusted,
}
"""The entry that a row of the outbox becomes, by the row's kind."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def entry_of(kind: str, entry_id: int, fields: Mapping[str, Any]) -> Entry:
    """The entry that a row of the outbox stands for."""
    return msgspec.convert({**fields, "entry_id": entry_id, "type": KINDS[kind].__struct_config__.tag}, KINDS[kind])


def encode_entry(entry: Entry) -> bytes:
    """The bytes of one record on `ledger.entries`."""
    return _encoder.encode(entry)


def decode_entry(value: bytes) -> Entry:
    """The entry that a record says; a msgspec.DecodeError when it says none."""
    return _decoder.decode(value)
