"""`tidemark doctor`: every problem at once, each with the command that mends it."""

import argparse
import asyncio
import dataclasses
import json
import os
from pathlib import Path

from runtime.settings import Settings, SettingsError, default_home, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="find every problem before anything starts",
        description="Looks for everything that would stop a start; exit code 1 when there is something.",
    )
    parser.add_argument("--json", action="store_true", help="a JSON array instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from runtime.embedded.doctor import Problem, examine
    from runtime.embedded.home import Home

    problems = []
    try:
        settings = load()
    except SettingsError as error:  # the rest can be looked at all the same
        problems.append(Problem("settings", str(error), "correct it in config.env or the environment"))
        settings = Settings(home=Path(os.environ.get("TIDEMARK_HOME") or default_home(os.environ)))
    problems += asyncio.run(examine(settings, Home(settings.home)))
    if args.json:
        print(json.dumps([dataclasses.asdict(problem) for problem in problems]))
    else:
        for problem in problems:
            print(f"{problem.name}: {problem.what}\n    mend: {problem.mend}")
        print(f"{len(problems)} problem(s) found." if problems else "No problem found.")
    return 1 if problems else 0
