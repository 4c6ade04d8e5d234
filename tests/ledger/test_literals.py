import random

import pytest

from ledger.literals import numbers, rows

NASTY = [
    "plain", "BTC-USD", "#3", "", " ", "null", "NULL", "None", ",", "(", ")", "{", "}", '"', "\\", '\\"', "'", "a b",
    "a\nb", "\t", "ü", "汉", '","', ')","(', "{1,2}", "%s", "$1", "--",
]  # fmt: skip


def test_numbers_are_an_array():
    assert (numbers([]), numbers([7]), numbers(range(-1, 2))) == ("{}", "{7}", "{-1,0,1}")


def test_rows_are_an_array_of_rows_and_nothing_is_null():
    assert rows([]) == "{}"
    assert rows([(7, "USD", 5, None), (-8, None, 0, 3)]) == '{"(7,USD,5,)","(-8,,0,3)"}'


def test_what_is_special_is_quoted_for_the_row_and_for_the_array():
    assert rows([('a"b', 1), ("c\\", 2), ("", 3)]) == r'{"(\"a\"\"b\",1)","(\"c\\\\\",2)","(\"\",3)"}'


def test_rows_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="shorter"):
        rows([(1, 2), (3,)])


@pytest.mark.parametrize("seed", [1, 2])
async def test_postgresql_reads_what_was_written(connection, seed):
    rng = random.Random(seed)
    await connection.execute("create type anything as (a bigint, b text, c integer, d text)")
    written = [
        (
            rng.randint(-(2**63), 2**63 - 1),
            rng.choice([None, *NASTY, "".join(rng.choices(NASTY, k=4))]),
            rng.choice([None, rng.randint(-(2**31), 2**31 - 1)]),
            rng.choice(NASTY),
        )
        for _ in range(500)
    ]
    read = await connection.fetch("select * from unnest($1::text::anything[])", rows(written))
    assert [tuple(row) for row in read] == written
    assert await connection.fetchval("select $1::text::bigint[]", numbers([5, -6])) == [5, -6]
