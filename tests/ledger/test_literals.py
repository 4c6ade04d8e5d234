import random
from typing import Any

import asyncpg
import pytest

from ledger.literals import Field, numbers, rows

NASTY = [
    "plain", "BTC-USD", "#3", "", " ", "null", "NULL", "None", ",", "(", ")", "{", "}", '"', "\\", '\\"', "'", "a b",
    "a\nb", "\t", "ü", "汉", '","', ')","(', "{1,2}", "%s", "$1", "--",
]  # fmt: skip


def test_numbers_are_an_array():
    assert (numbers([]), numbers([7]), numbers(range(-1, 2))) == ("{}", "{7}", "{-1,0,1}")


def test_rows_are_an_array_of_rows_and_nothing_is_null():
    assert rows([]) == "{}"
    assert rows([(7, "USD", 5, None), (-8, None, 0, 3)]) == r'{"(7,\"USD\",5,)","(-8,,0,3)"}'


def test_what_is_special_is_quoted_for_the_row_and_for_the_array():
    assert rows([('a"b', 1), ("c\\", 2), ("d,e", 3)]) == (r'{"(\"a\"\"b\",1)","(\"c\\\\\",2)","(\"d,e\",3)"}')


ANYTHING = "create type anything as (a bigint, b text, c integer, d text)"


async def read(connection: asyncpg.pool.PoolConnectionProxy, written: list[tuple[Field, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch("select * from unnest($1::text::anything[])", rows(written))]


async def test_postgresql_reads_each_word_as_it_is_alone_and_beside_plain_ones(connection):
    await connection.execute(ANYTHING)
    for word in NASTY:
        written = [(1, word, None, "plain"), (2, None, 3, word), (3, "plain", None, None)]
        assert await read(connection, written) == written
    assert await connection.fetchval("select $1::text::bigint[]", numbers([5, -6])) == [5, -6]


@pytest.mark.parametrize("seed", [1, 2])
async def test_postgresql_reads_what_was_written(connection, seed):
    rng = random.Random(seed)
    await connection.execute(ANYTHING)
    written = [
        (
            rng.randint(-(2**63), 2**63 - 1),
            rng.choice([None, *NASTY, "".join(rng.choices(NASTY, k=4))]),
            rng.choice([None, rng.randint(-(2**31), 2**31 - 1)]),
            rng.choice(NASTY),
        )
        for _ in range(500)
    ]
    assert await read(connection, written) == written
