"""`python -m api`: one process of the door; run as many as there is work for."""

import sys

import setproctitle
import uvloop

from api.server import serve
from runtime.embedded.home import resolve
from runtime.embedded.program import Broken
from runtime.settings import SettingsError, load
from runtime.telemetry import logs


def main() -> int:
    setproctitle.setproctitle("tidemark: api")
    try:
        settings = resolve(load())
        logs.configure(settings, "api")
        uvloop.run(serve(settings))
    except (SettingsError, Broken) as error:
        print(error, file=sys.stderr)  # noqa: T201  # the one sentence for whoever started it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
