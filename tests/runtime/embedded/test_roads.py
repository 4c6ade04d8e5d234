import os
import signal
from pathlib import Path

import pytest

from runtime.embedded.errand import errand
from runtime.embedded.postgres import postgres_binary
from runtime.embedded.program import Broken
from runtime.embedded.roads import Account, Namespace, Plain, Road, candidates, choose_road

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root: others have no road to choose")


class Closed(Plain):
    """What a road looks like where the kernel or a container forbids it."""

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]:
        return ("sh", "-c", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1")


@pytest.mark.skipif(ROOT, reason="root may not take it")
async def test_who_is_not_root_needs_no_road(tmp_path: Path) -> None:
    assert isinstance(await choose_road(postgres_binary("postgres"), tmp_path), Plain)


@as_root
async def test_root_takes_a_user_namespace_where_it_is_open(tmp_path: Path) -> None:
    assert isinstance(await choose_road(postgres_binary("postgres"), tmp_path), Namespace)


@as_root
async def test_root_takes_an_account_where_user_namespaces_are_closed(tmp_path: Path) -> None:
    open_folder = tmp_path / "home"
    open_folder.mkdir()
    roads: list[tuple[str, Road | None]] = [("user namespace", Closed())]
    roads += [row for row in candidates() if row[0].startswith("account")]
    chosen = await choose_road(postgres_binary("postgres"), open_folder, roads=roads)
    assert isinstance(chosen, Account)
    assert chosen.with_override  # the folder is below one that only root enters


@as_root
async def test_an_account_gets_no_capability_where_it_needs_none() -> None:
    account = Account("nobody", with_override=False)
    argv = account.argv(("sh", "-c", "id -u; grep -h Cap[EPA] /proc/self/status"), death=signal.SIGKILL)
    outcome = await errand(argv, env={"PATH": os.environ["PATH"]}, cwd=Path("/"), timeout_s=20)
    assert outcome.text.split() == [str(account.uid), "CapPrm:", "0" * 16, "CapEff:", "0" * 16, "CapAmb:", "0" * 16]


@as_root
async def test_no_open_road_is_one_sentence_that_names_each(tmp_path: Path) -> None:
    roads: list[tuple[str, Road | None]] = [("user namespace", Closed()), ("account nobody", None)]
    with pytest.raises(Broken) as caught:
        await choose_road(postgres_binary("postgres"), tmp_path, roads=roads)
    assert str(caught.value) == (
        "PostgreSQL does not run as root, and no road around that is open (user namespace: unshare: unshare failed: "
        "Operation not permitted; account nobody: not there): start as another user, or set POSTGRES_HOST to a "
        "server of yours."
    )


@as_root
def test_a_folder_changes_hands_with_all_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "1").touch()
    account = Account("nobody", with_override=False)
    for road, owner in ((account, account.uid), (Namespace(), 0)):
        road.give(folder)
        assert {path.lstat().st_uid for path in (folder, *folder.rglob("*"))} == {owner}
