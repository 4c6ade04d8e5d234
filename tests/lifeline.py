"""Keeps the real servers of one test run alive exactly as long as the run: a script that tests/conftest.py starts.

The run holds the writing end of a named pipe. When it lets go, because it ended or was killed, the read here returns,
the servers are stopped and their folder is removed.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STOP_WITHIN_S = 20
TIDEMARK = "import sys; from ops.cli import main; sys.exit(main())"


def main(run: Path) -> None:
    """`run` holds the pipe, and gets the servers' home, their output and, if they do not start, the word of it."""
    environ = os.environ | {"TIDEMARK_HOME": str(run / "home"), "TIDEMARK_CONFIG": os.devnull}
    with (run / "output").open("ab") as output:
        servers = subprocess.Popen(
            [sys.executable, "-c", TIDEMARK, "up", "--servers-only"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    threading.Thread(target=note_an_early_end, args=(servers, run), daemon=True).start()
    with (run / "alive").open("rb") as pipe:
        pipe.read()
    servers.terminate()
    try:
        servers.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        servers.kill()
    shutil.rmtree(run, ignore_errors=True)


def note_an_early_end(servers: "subprocess.Popen[bytes]", run: Path) -> None:
    code = servers.wait()
    if run.exists():
        (run / "ended").write_text(f"{code}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
