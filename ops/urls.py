"""`tidemark urls`: every route of the API with its method and who may call it."""

import argparse
import json


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("urls", help="list the routes: method, path, who may call")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from api.table import ROUTES

    rows = [(route.method, route.plain_path, route.policy.value, route.summary) for route in ROUTES]
    if args.json:
        names = ("method", "path", "policy", "summary")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))
        return 0
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    return 0
