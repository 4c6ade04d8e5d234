"""`tidemark replay`: runs the journal again beside the exchange, to prove it, or to rebuild views or the books.

An action is a file of this folder with `register(actions)` and `run(args) -> int`; heavy imports stay inside `run`.
"""

import argparse
import importlib

ACTIONS = ("verify", "books", "rebuild")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "replay",
        help="run the journal again and compare, or rebuild what was made of it",
        description="Runs the journal again, beside the running exchange.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in ACTIONS:
        importlib.import_module(f"ops.replay.{action}").register(actions)
