"""How PostgreSQL runs for whoever starts us. It refuses root, so root takes the first of two roads that is open.

A user namespace: inside, root's own id is called `nobody`; no account, no change of an owner. Where the kernel or a
container forbids that: an existing account, which gets the data folder as its own.
"""

import hashlib
import os
import pwd
import shutil
import signal
from pathlib import Path
from typing import Protocol

from runtime.embedded.errand import errand
from runtime.embedded.home import remove_tree
from runtime.embedded.program import Broken

NOBODY = 65534
ACCOUNTS = ("postgres", "nobody")
OPEN_FOLDER = Path("/var/cache/tidemark")  # only root writes there, and everybody may enter


class Road(Protocol):
    """One way to run a program that must not be root."""

    brings_death_signal: bool

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]: ...

    def open_way(self, *folders: Path) -> None:
        """Lets the program through our own folders on the way to its data."""

    def give(self, path: Path) -> None:
        """Makes a file or folder that we made the program's own, with all in it."""

    def programs(self, package: Path) -> Path:
        """Where the programs of the package can be started: there, or in a copy of it."""


class Plain:
    """Not root: nothing to do."""

    brings_death_signal = False

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]:  # noqa: ARG002  -- the spawner's
        return argv

    def open_way(self, *folders: Path) -> None:
        pass

    def give(self, path: Path) -> None:
        pass

    def programs(self, package: Path) -> Path:
        return package


class Namespace(Plain):
    """Root, called `nobody` in a user namespace of the program's own."""

    # Entering a namespace changes credentials, and the kernel then forgets a death signal asked for before.
    brings_death_signal = True

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]:
        enter = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
        return (*enter, "setpriv", "--pdeathsig", death.name.removeprefix("SIG"), *argv)

    def give(self, path: Path) -> None:
        _chown_all(path, 0, 0)  # it was an account's, if that road was the open one at an earlier start


class Account:
    """Root gives the program to an existing account.

    Folders above ours may be closed to it (`/root` is). `with_override` then leaves the program the one capability
    that passes closed folders, which is less than what the namespace road leaves it.
    """

    brings_death_signal = True

    def __init__(self, name: str, *, with_override: bool) -> None:
        entry = pwd.getpwnam(name)
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.with_override = with_override

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]:
        become = ("setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")
        keep = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
        drop = ("--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs")
        keeping = keep if self.with_override else drop
        return (*become, *keeping, "--pdeathsig", death.name.removeprefix("SIG"), *argv)

    def open_way(self, *folders: Path) -> None:
        for folder in folders:
            folder.chmod(0o711)  # to pass through, not to list; what is secret in them is closed by itself

    def give(self, path: Path) -> None:
        _chown_all(path, self.uid, self.gid)

    def programs(self, package: Path) -> Path:
        """PostgreSQL asks by access(2) for its own files, which looks at the user alone: no capability helps there."""
        return copy_in_the_open(package, OPEN_FOLDER) if self.with_override else package


Candidates = list[tuple[str, Road | None]]


async def choose_road(binary: Path, data: Path, *, roads: Candidates | None = None) -> Road:
    """Tries each road with the real binary; `data` is a folder that the server has to enter. Raises Broken."""
    if os.geteuid() != 0:
        return Plain()
    faults = []
    for what, road in candidates() if roads is None else roads:
        if road is None:
            faults.append(f"{what}: not there")
        elif (fault := await _fault_of(road, binary, data)) is None:
            return road
        else:
            faults.append(f"{what}: {fault}")
    raise Broken(
        f"PostgreSQL does not run as root, and no road around that is open ({'; '.join(faults)}): "
        f"start as another user, or set POSTGRES_HOST to a server of yours."
    )


def candidates() -> Candidates:
    """Every road, best first."""
    if shutil.which("setpriv") is None:
        return [("the program setpriv of util-linux", None)]
    accounts = [account for account in ACCOUNTS if _exists(account)]
    found: Candidates = [("user namespace", Namespace() if shutil.which("unshare") else None)]
    found += [(f"account {name}", Account(name, with_override=False)) for name in accounts]
    found += [(f"account {name} past closed folders", Account(name, with_override=True)) for name in accounts]
    return found


async def _fault_of(road: Road, binary: Path, data: Path) -> str | None:
    """Goes the road once: does the binary start there, and can it enter the folder of the data?"""
    probe = ("sh", "-c", 'cd -- "$1" && exec "$2" --version', "sh", str(data), str(binary))
    road.open_way(data)
    outcome = await errand(
        road.argv(probe, death=signal.SIGKILL), env={"PATH": os.environ["PATH"]}, cwd=Path("/"), timeout_s=20
    )
    return None if outcome.code == 0 else outcome.last_words()


def copy_in_the_open(package: Path, place: Path) -> Path:
    """A copy of the package that every account may read and run. Made once, whole or not at all.

    Its programs find the libraries that came with it by their place, in a folder beside the package's.
    """
    key = hashlib.sha256(f"{package} {package.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy, beside = place / f"postgres-{key}", place / f".postgres-{key}.{os.getpid()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
        if not copy.exists():
            libraries = package.parent.with_name(f"{package.parent.name}.libs")
            for folder in (package, *([libraries] if libraries.is_dir() else [])):
                shutil.copytree(folder, beside / folder.relative_to(package.parents[1]), symlinks=True)
            for path in (beside, *beside.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            beside.rename(copy)
    except OSError as error:
        if not copy.exists():  # another start may have been the faster one
            raise Broken(
                f"{place} cannot hold a copy of PostgreSQL ({error.strerror}): start as another user."
            ) from error
    finally:
        remove_tree(beside)
    return copy / package.relative_to(package.parents[1])


def _chown_all(path: Path, uid: int, gid: int) -> None:
    """Does nothing where the top has the owner already: it is changed last, so a kill in between is made good."""
    if path.lstat().st_uid == uid:
        return
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
        os.chown(folder, uid, gid)
    os.chown(path, uid, gid)


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True
