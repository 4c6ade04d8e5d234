"""The broker's start, remembered: a file of loaded classes and profiles, which halves the time of every later start.

It is trained once per Java and set of jars, in the background after the first start is ready, on a broker of its own
in a throw-away folder. It is never needed: without it, or with a broken one, Java starts as always.
"""

import dataclasses
import hashlib
from pathlib import Path

from runtime.embedded.java import Java

TIMEOUT_S = 300.0
ATTEMPTS = 600


@dataclasses.dataclass(frozen=True)
class Archive:
    """The file for one Java, one set of jars and one set of switches."""

    file: Path
    can_be: bool

    @staticmethod
    def of(cache: Path, java: Java, jars: tuple[Path, ...], switches: tuple[str, ...]) -> "Archive":
        parts = (str(java.binary), java.version, *map(str, jars), *switches)
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return Archive(cache / "aot" / f"kafka-{key}.aot", java.can_cache)

    def switches(self) -> tuple[str, ...]:
        """For a start: use it if it is there."""
        return (f"-XX:AOTCache={self.file}", "-Xlog:aot=off,cds=off") if self.can_be and self.file.exists() else ()
