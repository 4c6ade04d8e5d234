import dataclasses

from ledger.connection import books


async def test_a_dump_is_restored_by_seed_and_dumps_the_same_again(verb, database, tmp_path):
    await verb("seed")
    said = await verb("dump", tmp_path / "a b.jsonl")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == f"24 rows in {tmp_path / 'a b.jsonl'}."
    other = dataclasses.replace(database, namespace=f"{database.namespace}_other")
    try:
        restored = await verb("seed", tmp_path / "a b.jsonl", TIDEMARK_NAMESPACE=other.namespace)
        assert (restored.code, restored.out.splitlines()[-1]) == (0, "24 rows restored.")
        again = await verb("dump", "--out", tmp_path / "again.jsonl", TIDEMARK_NAMESPACE=other.namespace)
        assert again.code == 0
    finally:
        async with books(other) as connection:
            await connection.execute(f"drop schema if exists {other.postgres_schema} cascade")
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "a b.jsonl").read_text()


async def test_over_data_nothing_is_restored(verb, tmp_path):
    await verb("seed")
    await verb("dump", tmp_path / "dump.jsonl")
    said = await verb("seed", tmp_path / "dump.jsonl")
    assert said.code == 1
    assert said.err.startswith("tidemark: These books have data ")


async def test_a_folder_that_is_not_there_is_one_sentence(verb, tmp_path):
    said = await verb("dump", tmp_path / "nowhere" / "dump.jsonl")
    assert said.code == 1
    assert (
        said.err == f"tidemark: {tmp_path / 'nowhere' / 'dump.jsonl'} cannot be written: No such file or directory.\n"
    )
