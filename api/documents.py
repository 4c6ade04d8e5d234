"""The documents that are made from the words of the API; `tidemark documents` writes them, a test compares."""

from pathlib import Path

from api import postman
from api.table import ROUTES
from schemas import errors


def documents() -> dict[Path, str]:
    """Each by its place in the project."""
    return {
        Path("docs/ERRORS.md"): errors.page(),
        Path("docs/tidemark.postman_collection.json"): postman.collection(ROUTES),
    }
