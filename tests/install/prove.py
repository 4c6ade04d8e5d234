"""Proves on a fresh clone with a fresh HOME that two commands are all it takes, and that what is wrong is said.

`python tests/install/prove.py [starts|user|faults|NAME OF A FAULT ...]` prints a row per proof and ends with 1 when
one fails. It takes some minutes and fetches all that a newcomer's first start fetches; nothing of it stays.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults import FAULTS
from place import Proved, Unproved, fresh
from starts import install_quietly, prove_an_ordinary_user, prove_starts

NOBODY = 65534
Proof = Callable[[Proved], None]


class Table:
    """The rows of the proof, printed as they come."""

    def __init__(self) -> None:
        self.failed = 0
        self.proved_count = 0

    def proved(self, what: str, seconds: float | None = None) -> None:
        self.proved_count += 1
        self._row("proved", what, seconds)

    def prove(self, name: str, proof: Proof) -> None:
        try:
            proof(self.proved)
        except Unproved as unproved:
            self.failed += 1
            self._row("FAILED", f"{name}: {unproved}", None)

    def _row(self, outcome: str, what: str, seconds: float | None) -> None:
        figure = "" if seconds is None else f"{seconds:6.1f} s"
        print(f"{outcome}  {figure:>8}  {what}", flush=True)


def main(asked: set[str]) -> int:
    known = {"starts", "user", "faults", *(fault.__name__ for fault in FAULTS)}
    if unknown := asked - known:
        print(f"{', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    asked = asked or {"starts", "user", "faults"}
    began = time.monotonic()
    table = Table()
    temporary = Path(tempfile.mkdtemp(prefix="tidemark-proof-")).resolve()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # what was started is ended then too
    try:
        prove_all(asked, temporary, table)
    finally:
        shutil.rmtree(temporary)
    print(f"{table.proved_count} proved, {table.failed} failed, in {time.monotonic() - began:.0f} s")
    return 1 if table.failed else 0


def prove_all(asked: set[str], temporary: Path, table: Table) -> None:
    place = fresh(temporary / "of root" if os.geteuid() == 0 else temporary / "of a user")
    if "starts" in asked:
        table.prove("starts", partial(prove_starts, place))
    temporary.chmod(0o711)  # other accounts may pass through, as they may where people keep their work
    if "user" in asked and os.geteuid() == 0:
        other = fresh(temporary / "of an ordinary user", run_as=NOBODY)
        table.prove("user", partial(prove_an_ordinary_user, other))
    faults = [fault for fault in FAULTS if {"faults", fault.__name__} & asked]
    if faults and "starts" not in asked:
        install_quietly(place)
    for fault in faults:
        table.prove(fault.__name__.replace("_", " "), partial(fault, place))


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
