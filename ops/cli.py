"""The `tidemark` command: finds the verb, imports that verb's file only, and says what went wrong in one sentence.

A verb is a file of `ops/` with `register(subparsers)` and `run(args) -> int`; its heavy imports stay inside `run`.
This file has nothing that an old Python could not read, so that it can say that the Python is too old.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

OLDEST_PYTHON = (3, 11)

# Verb, and the file of ops/ it lives in.
VERBS = (
    "up",
    "status",
    "logs",
    "doctor",
    "migrate",
    "topics",
    "seed",
    "dump",
    "backup",
    "recover",
    "balances",
    "reconcile",
    "replay",
    "book",
    "market",
    "parked",
    "batch",
    "admin",
    "shell",
    "urls",
    "bench",
    "documents",
)


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; the exit code is 0, 1 when it could not be done, 2 when it was asked wrongly."""
    if sys.version_info < OLDEST_PYTHON:
        have, need = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST_PYTHON))
        print(f"tidemark: this is Python {have}, and {need} or newer is needed: run `make install`.", file=sys.stderr)
        return 1
    arguments = sys.argv[1:] if argv is None else argv
    args = _parser(arguments).parse_args(arguments)
    return _run(args)


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    import argparse
    import importlib

    parser = argparse.ArgumentParser(prog="tidemark", description="A spot crypto exchange whose journal is Kafka.")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    asked = [verb for verb in VERBS if arguments[:1] == [verb]]
    for verb in asked or VERBS:  # one file is imported for a verb that we know, all of them for the help
        importlib.import_module("ops." + verb.replace("-", "_")).register(subparsers)
    return parser


def _run(args: argparse.Namespace) -> int:
    from runtime.embedded.program import Broken
    from runtime.settings import SettingsError

    try:
        code: int = args.run(args)
        return code
    except (SettingsError, Broken) as error:
        print(f"tidemark: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
