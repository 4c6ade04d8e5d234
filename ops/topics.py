"""`tidemark topics`: creates the topics that are missing, and says where the broker differs from the table."""

import argparse
import asyncio

from runtime.embedded.home import resolve
from runtime.settings import Settings, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "topics",
        help="create the topics that are missing",
        description="Creates the topics that are missing. One that differs from the table is told and left as it is.",
    )
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    return asyncio.run(_topics(resolve(load())))


async def _topics(settings: Settings) -> int:
    from runtime.embedded.knock import knock_kafka
    from runtime.embedded.program import Broken, NotReady
    from runtime.kafka import ensure_topics
    from schemas.topics import CHANGELOGS, TOPICS

    try:
        await knock_kafka(settings)
    except NotReady as reason:
        raise Broken(
            f"Kafka does not answer at {settings.kafka_bootstrap} ({reason}): start everything with `make run`."
        ) from reason
    table = (*TOPICS, *CHANGELOGS)
    differences = await ensure_topics(settings, table)
    print("\n".join(differences) or f"All {len(table)} topics are there, as the table says.")
    return 0
