import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.connection import books
from ledger.dump import dump
from ledger.listings import list_price
from ledger.migrate import migrate
from ledger.restore import restore
from ledger.seed import seed
from runtime.embedded.program import Broken
from runtime.settings import Settings

pytestmark = pytest.mark.tampers  # rows of every kind, so that each is dumped, and no sense in them


@pytest.fixture
async def other(database: Settings) -> AsyncIterator[Settings]:
    """A second, empty set of books."""
    other = dataclasses.replace(database, namespace=f"{database.namespace}_other")
    try:
        await migrate(other)
        yield other
    finally:
        async with books(other) as connection:
            await connection.execute(f"drop schema if exists {other.postgres_schema} cascade")


@pytest.fixture
async def file(database: Settings, tmp_path: Path) -> Path:
    """A dump of the demo data, and of one row in every table that it leaves empty."""
    await seed(database)
    async with books(database) as connection:
        await connection.execute(EVERY_KIND_OF_VALUE)
    await dump(database, tmp_path / "dump.jsonl")
    return tmp_path / "dump.jsonl"


EVERY_KIND_OF_VALUE = """
insert into refresh_families (user_id, ended_at, end_reason) values (1, now(), 'quote " and \\ and ü');
insert into refresh_tokens values (sha256('a'), 1, now(), 'infinity', null);
insert into request_signatures values ('\\x00ff', 1, '2026-01-02 03:04:05.678901+00');
insert into audit_log (actor_id, action, detail) values (1, 'x', '{"a": [1, 2.50, null, "\\u00e9"]}');
insert into orders (user_id, market, kind, side, lots, price_ticks, hold_asset, hold_atoms, held_remaining, state,
                    command_id, client_order_id, body_digest)
    values (1, 'BTC-USD', 'limit', 'buy', 9223372036854775807, 1, 'USD', 9223372036854775807, 0, 'rejected',
            1, 'c', 'd');
insert into trades values (99, 'BTC-USD', 1, 1, 'house', 1, 1, 1, 'buy', 1, 1, 0, null, null, 0, now());
insert into batches (id, market, number, created_at) values ('BTC-USD-1', 'BTC-USD', 1, now());
insert into watermarks values ('wallet', 'executions', 0, '#0', 1, 2, 'ab', 3, now());
"""


async def everything(settings: Settings, tmp_path: Path) -> str:
    await dump(settings, tmp_path / "again.jsonl")
    return (tmp_path / "again.jsonl").read_text()


async def test_what_was_restored_dumps_the_same(other: Settings, file: Path, tmp_path: Path):
    rows = await restore(other, file)
    assert await everything(other, tmp_path) == file.read_text()
    assert rows == file.read_text().count("\n{")
    async with books(other) as connection:
        for table in ("users", "orders", "trades", "watermarks", "request_signatures", "audit_log", "refresh_tokens"):
            assert await connection.fetchval(f"select count(*) from {table}") > 0


async def test_sequences_go_on_where_they_were(other: Settings, file: Path):
    await restore(other, file)
    async with books(other) as connection:
        row = await list_price(connection, "BTC-USD", 7)
        assert (row.command_id, row.number) == (6, 3)


async def test_it_is_not_restored_over_data(database: Settings, file: Path, tmp_path: Path):
    with pytest.raises(Broken, match=r"These books have data \([a-z_]+\), and a dump"):
        await restore(database, file)
    assert await everything(database, tmp_path) == file.read_text()


def cut(lines: list[str]) -> list[str]:
    return lines[:-1]


def without_a_row(lines: list[str]) -> list[str]:
    row = next(number for number, line in enumerate(lines) if line.startswith("{"))
    return lines[:row] + lines[row + 1 :]


def richer(lines: list[str]) -> list[str]:
    return [line.replace('"available":100000000000', '"available":200000000000') for line in lines]


def of_another_schema(lines: list[str]) -> list[str]:
    return [lines[0].replace("0001_accounts", "0001_something"), *lines[1:]]


def headless(lines: list[str]) -> list[str]:
    return lines[1:]


def of_no_table(lines: list[str]) -> list[str]:
    return [lines[0], '{"id": 1}', *lines[1:]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cut, "is not the end of a dump: nothing was restored"),
        (without_a_row, "is not what was written: nothing was restored"),
        (richer, "is not what was written: nothing was restored"),
        (of_another_schema, "is from another schema"),
        (headless, "is not a dump that this release can read"),
        (of_no_table, "comes after rows of no table"),
        (lambda _: [], "is not a dump that this release can read"),
        (lambda _: ["not JSON"], "is not a dump that this release can read"),
    ],
)
async def test_a_file_that_is_not_what_was_written_restores_nothing(other, file: Path, tmp_path: Path, change, reason):
    nothing = await everything(other, tmp_path)
    file.write_text("".join(line + "\n" for line in change(file.read_text().splitlines())))
    with pytest.raises(Broken, match=reason):
        await restore(other, file)
    assert await everything(other, tmp_path) == nothing


async def test_a_file_that_cannot_be_read_is_said_in_a_sentence(other: Settings, tmp_path: Path):
    with pytest.raises(Broken, match="cannot be read: No such file or directory"):
        await restore(other, tmp_path / "nowhere.jsonl")
    (tmp_path / "noise").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Broken, match="is not a dump"):
        await restore(other, tmp_path / "noise")
