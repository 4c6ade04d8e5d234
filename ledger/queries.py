"""The SQL of the books, kept in named blocks of the files under `ledger/sql/` and found by `file.name`.

A block begins with a line `-- name: the_name` and ends at the next one.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
MARK = "-- name: "


def read_blocks(file: Path) -> dict[str, str]:
    """The blocks of one file, by `file.name`; text before the first mark is a comment on the file."""
    _comment, *blocks = ("\n" + file.read_text(encoding="utf-8")).split("\n" + MARK)
    found = {}
    for block in blocks:
        name, _, sql = block.partition("\n")
        key = f"{file.stem}.{name.strip()}"
        if key in found:
            raise ValueError(f"{file} has two blocks named {name.strip()}")
        found[key] = sql.strip()
    return found


QUERIES: dict[str, str] = {key: sql for file in sorted(FOLDER.glob("*.sql")) for key, sql in read_blocks(file).items()}


def query(name: str) -> str:
    """The text of one block; a name that is not there stops the import that asks for it."""
    return QUERIES[name]
