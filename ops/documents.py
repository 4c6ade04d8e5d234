"""`tidemark documents`: writes the documents that are made from the code, or says which of them no longer match it."""

import argparse
import sys
from pathlib import Path

from runtime.settings import PROJECT_ROOT


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "documents", help="write the documents made from the code", description="Writes docs/ from the code."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when one does not match")
    parser.set_defaults(run=run)


def documents() -> dict[Path, str]:
    """Every generated document: its path in the project, and the text that the code has for it."""
    from api import documents as api
    from runtime.telemetry import metrics
    from schemas import topics, trades

    return {
        Path("docs/TOPICS.md"): topics.page(),
        Path("docs/trades-1.schema.json"): trades.contract(),
        Path("docs/METRICS.md"): metrics.page(),
        **api.documents(),
    }


def stale(texts: dict[Path, str], root: Path = PROJECT_ROOT) -> list[Path]:
    """Those that are missing or say something else."""
    return [
        path for path, text in texts.items() if not (root / path).exists() or (root / path).read_text("utf-8") != text
    ]


def run(args: argparse.Namespace) -> int:
    texts = documents()
    found = stale(texts, PROJECT_ROOT)
    for path in found:
        if args.check:
            print(f"tidemark: {path} does not match the code: run `tidemark documents`.", file=sys.stderr)
        else:
            (PROJECT_ROOT / path).write_text(texts[path], encoding="utf-8")
            print(path)
    return 1 if args.check and found else 0
