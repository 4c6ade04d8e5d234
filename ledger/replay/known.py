"""What a schema of the books has already of what the topics tell."""

from collections.abc import Sequence
from typing import Protocol

import asyncpg

from ledger.queries import query
from ledger.replay.row_rules import Asked
from schemas.entries import AccountOpened, AdminMade, CurrencyAdded, Entry


class Known(Protocol):
    """Chooses what is to be made: entries and commands that are not in the tables yet."""

    async def new_entries(self, entries: Sequence[Entry]) -> Sequence[Entry]: ...

    async def new_commands(self, asked: Sequence[Asked]) -> Sequence[Asked]: ...


class Nothing:
    """The tables began empty."""

    async def new_entries(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return entries

    async def new_commands(self, asked: Sequence[Asked]) -> Sequence[Asked]:
        return asked


async def entered(connection: asyncpg.Connection, schema: str, entries: Sequence[Entry]) -> set[int]:
    """Those of the entries that this schema has, by their ids."""
    found: set[int] = set()
    for what, keys in _wanted(entries).items():
        sql = query(f"replay.entered_{what}").replace("books.", f'"{schema}".')
        there = {row[0] for row in await connection.fetch(sql, list(keys))}
        found |= {entry_id for key, entry_ids in keys.items() if key in there for entry_id in entry_ids}
    return found


def _wanted(entries: Sequence[Entry]) -> dict[str, dict[int | str, list[int]]]:
    """What to ask for in which table, with the entries that stand and fall with it."""
    wanted: dict[str, dict[int | str, list[int]]] = {}
    for entry in entries:
        what, key = _place(entry)
        wanted.setdefault(what, {}).setdefault(key, []).append(entry.entry_id)
    return wanted


def _place(entry: Entry) -> tuple[str, int | str]:
    match entry:
        case AccountOpened():
            return "users", entry.user_id
        case AdminMade():
            return "admins", entry.user_id
        case CurrencyAdded():
            return "currencies", entry.code
        case _:
            return "transfers", entry.transfer_id
