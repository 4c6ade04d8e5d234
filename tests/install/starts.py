"""The story of one instance: a cold start, a warm one, data kept, every process killed, and nothing left behind."""

import os
import secrets
import signal
import time

from place import Place, Proved, Running, Unproved, nothing_left


def prove_starts(place: Place, proved: Proved) -> None:
    word = secrets.token_hex(8)
    with place.running() as first:
        proved("make run with nothing cached, in a folder with spaces, to ready", first.ready())
        mark(place, "write", word)
        refuse_a_second(place)
        proved("a second make run on the same folder says who holds it")
        proved("Ctrl-C stops everything", first.stop())
        nothing_left(place.root)
        proved("no process is left behind by Ctrl-C")

    with place.running() as second:
        proved("the second start, to ready", second.ready())
        mark(place, "read", word)
        proved("PostgreSQL, Valkey and Kafka kept their data over a stop")
        for name in [name for name in place.status() if name != "supervisor"]:
            proved(f"kill -9 of {name} is healed", heal(place, second, name))
        mark(place, "read", word)
        proved("the data is kept over these kills")
        kill_the_supervisor(place)
        proved("kill -9 of the supervisor takes every child with it", nothing_left(place.root))

    with place.running() as third:
        proved("the start after that, to ready", third.ready())
        mark(place, "read", word)
        proved("the data is kept over the supervisor's death")
        os.kill(pid_of(place, "supervisor"), signal.SIGTERM)
        proved("SIGTERM to the supervisor alone stops everything", nothing_left(place.root))


def prove_an_ordinary_user(place: Place, proved: Proved) -> None:
    with place.running() as running:
        proved("make run as an ordinary user with nothing cached, to ready", running.ready())
        proved("Ctrl-C stops everything of an ordinary user", running.stop())
        nothing_left(place.root)
    with place.running() as running:
        proved("the second start of an ordinary user, to ready", running.ready())
    nothing_left(place.root)


def install_quietly(place: Place) -> None:
    """For faults that are proved alone: one start, so that there is an environment, a cache and a data folder."""
    with place.running() as running:
        running.ready()
    nothing_left(place.root)


def mark(place: Place, verb: str, word: str) -> None:
    """The marking program is this repository's; the environment and the servers are the clone's."""
    said = place.say(str(place.clone / ".venv" / "bin" / "python"), "tests/install/mark.py", verb, word)
    if said.code != 0:
        raise Unproved(f"the mark could not be {verb}: {said.err.strip()[-400:]}")


def refuse_a_second(place: Place) -> None:
    holder = pid_of(place, "supervisor")
    said = place.say("make", "run")
    if said.code == 0 or len(said.sentences) != 1 or str(holder) not in said.err:
        raise Unproved(f"a second start said {said.err!r} and ended with {said.code}; {holder} holds the folder")


def pid_of(place: Place, name: str) -> int:
    pid = place.status()[name]["pid"]
    if not isinstance(pid, int):
        raise Unproved(f"{name} has no process id in the status")
    return pid


def heal(place: Place, running: Running, name: str) -> float:
    """Kills one process; the seconds until it, and everything else, is ready again under another process id."""
    old = pid_of(place, name)
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    running.until(f"{name} is another process", lambda: place.status()[name]["pid"] not in (None, old))
    running.until(f"everything is ready after {name} was killed", running.all_ready)
    return time.monotonic() - began


def kill_the_supervisor(place: Place) -> None:
    os.kill(pid_of(place, "supervisor"), signal.SIGKILL)
