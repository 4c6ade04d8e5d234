"""`tidemark reconcile`: proves the books from the books alone, as of one moment; fails when something is wrong."""

import argparse
import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from ledger.origins import Difference, Origin
    from ledger.reconcile import Report


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "reconcile",
        help="prove that no atom is missing or extra",
        description="Checks money, holds, keys, orders, trades and purchases in one snapshot, and says where what is "
        "wrong began. Exit codes: 0 the books are right, 1 they are not or cannot be asked.",
    )
    parser.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_reconcile(resolve(load()), as_json=args.json))


async def _reconcile(settings: Settings, *, as_json: bool) -> int:
    from ledger.connection import books
    from ledger.reconcile import CHECKS, reconcile

    async with books(settings) as connection:
        with Progress("checks", len(CHECKS)) as bar:
            report = await reconcile(connection, bar.to)
    print(json.dumps(_as_json(report)) if as_json else _in_words(report))
    return 1 if report.differences else 0


def _in_words(report: "Report") -> str:
    from ledger.reconcile import INVARIANTS

    looked_at = ", ".join(f"{number:,} {name}" for name, number in report.counts.items())
    if not report.differences:
        return f"The books are right: {', '.join(INVARIANTS)} hold ({looked_at})."
    first = report.first()
    lines = [*map(str, report.differences), f"{len(report.differences)} differences in {looked_at}."]
    return "\n".join(lines if first is None else [*lines, f"The first began with {first}."])


def _as_json(report: "Report") -> dict[str, object]:
    from ledger.reconcile import INVARIANTS

    return {
        "ok": not report.differences,
        "invariants": list(INVARIANTS),
        "counts": report.counts,
        "differences": [_shown(difference) for difference in report.differences],
        "first": _shown(report.first()),
    }


def _shown(one: "Difference | Origin | None") -> dict[str, object] | None:
    """What is known of it, without what is not."""
    if one is None:
        return None
    fields = {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
    if fields.get("at") is not None:
        fields["at"] = fields["at"].isoformat()
    if fields.get("began") is not None:
        fields["began"] = _shown(fields["began"])
    return {name: value for name, value in fields.items() if value not in (None, "") and name != "is_part"}
