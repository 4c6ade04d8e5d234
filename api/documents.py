"""Writes the documents that are made from the code: `python -m api.documents`; a test compares them with the files."""

from pathlib import Path

from runtime.settings import PROJECT_ROOT
from schemas import errors


def documents() -> dict[Path, str]:
    """Every generated document, by its place in the repository."""
    return {Path("docs/ERRORS.md"): errors.page()}


def main() -> None:
    for path, text in documents().items():
        (PROJECT_ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
