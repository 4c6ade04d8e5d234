"""Fetches the Kafka broker's jars into the user's cache, so that the first start finds them there.

Part of the install: nothing is fetched for somebody who named a Kafka of their own.
"""

import asyncio
import os
import sys

from runtime.embedded.home import default_cache
from runtime.embedded.jars import ensure_jars, read_lock
from runtime.embedded.program import Broken
from runtime.settings import SettingsError, load


def say(line: str) -> None:
    print(f"        {line.strip()}", file=sys.stderr)  # noqa: T201  -- progress for a person who waits


if __name__ == "__main__":
    try:
        if load().kafka_bootstrap is None:
            asyncio.run(ensure_jars(default_cache(os.environ), read_lock(), os.environ, say))
    except (Broken, SettingsError) as wrong:
        sys.exit(f"tidemark: {wrong}")
