"""The files of Swagger UI and ReDoc: they come as jars, the lock is believed, and no copy is kept in the project."""

import asyncio
import dataclasses
import logging
import os
import zipfile
from pathlib import Path

from runtime.embedded.home import default_cache
from runtime.embedded.jars import ensure_jars, read_lock
from runtime.embedded.program import Broken

log = logging.getLogger("api")
FOLDER = Path(__file__).parent
AGAIN_S = 60.0
LOCK = dataclasses.replace(read_lock(FOLDER), purpose="the API's pages", size="5 MB")
FILES = {
    "swagger-ui-bundle.js": "swagger-ui-dist",
    "swagger-ui.css": "swagger-ui-dist",
    "favicon-32x32.png": "swagger-ui-dist",
    "redoc.standalone.js": "redoc",
}
"""What the pages need, and from which jar."""


class Assets:
    """The files by name, once they are there."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reason: str | None = "The documents' pages are being fetched."

    async def fetch(self) -> None:
        """Until it has worked; an installation without a network has no pages, and everything else."""
        while self.reason is not None:
            try:
                jars = await ensure_jars(default_cache(os.environ), LOCK, os.environ)
                self.files = await asyncio.to_thread(unpack, jars)
                self.reason = None
            except Broken as broken:
                self.reason = str(broken)
                log.warning("no Swagger UI and no ReDoc yet: %s", broken)
                await asyncio.sleep(AGAIN_S)


def unpack(jars: tuple[Path, ...]) -> dict[str, bytes]:
    """The wanted members of the jars, which are zip files."""
    found = {}
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            for member in archive.namelist():
                name = member.rpartition("/")[2]
                if name in FILES and f"/{FILES[name]}/" in member:
                    found[name] = archive.read(member)
    if missing := FILES.keys() - found.keys():
        raise Broken(f"{', '.join(sorted(missing))} is in none of the jars that jars.lock names.")
    return found
