"""Snapshots that are damaged or gone: the other side, else the journal's start with an alarm, and the same outputs."""

import signal

import pytest

from runtime.journal.checkpoint import SIDES, Manifest, decode
from tests.runtime.journal.lab import CHANGELOG, Lab


def flipped(value: bytes) -> bytes:
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 16]) + value[middle + 1 :]


DAMAGES = {"truncated": lambda value: value[:-3], "flipped": flipped, "deleted": lambda _value: None}


async def worked(lab: Lab) -> None:
    """A worker that wrote a few rounds, and stopped in order."""
    worker = lab.worker()
    async with lab.loading():
        await lab.more_outcomes(3000)
    await lab.drained()
    worker.signal(signal.SIGTERM)
    assert await worker.gone() == 0


async def newest_sides(lab: Lab) -> dict[int, str]:
    """Per partition, the side of the manifest that a restart would take."""
    best: dict[int, Manifest] = {}
    async for partition, key, value in lab.records(CHANGELOG.name):
        manifest = decode(value, Manifest) if b"|manifest|" in key else None
        if manifest and (partition not in best or manifest.next_offset >= best[partition].next_offset):
            best[partition] = manifest
    return {partition: SIDES[manifest.side] for partition, manifest in best.items()}


@pytest.mark.parametrize(
    "damage", ["flipped", *(pytest.param(d, marks=pytest.mark.slow) for d in ("truncated", "deleted"))]
)
async def test_a_damaged_slot_is_noticed_and_the_other_side_is_taken(space, tmp_path, damage):
    async with Lab(space, tmp_path) as lab:
        await worked(lab)
        for partition, side in (await newest_sides(lab)).items():
            assert await lab.damage(b"%d|M%d|%s|" % (partition, partition, side.encode()), DAMAGES[damage]) == 1
        async with lab.loading():
            heir = lab.worker()
            await lab.more_outcomes(1000)
        await lab.drained()
        assert heir.said().count("is missing, damaged or not the one that manifest") == len(lab.partitions)
        assert heir.said().count("restored") == len(lab.partitions)
        await lab.check()


async def test_a_damaged_manifest_is_noticed_and_the_other_one_is_taken(space, tmp_path):
    async with Lab(space, tmp_path) as lab:
        await worked(lab)
        for partition, side in (await newest_sides(lab)).items():
            assert await lab.damage(b"%d|manifest|%s" % (partition, side.encode()), flipped) == 1
        heir = lab.worker()
        async with lab.loading():
            await lab.more_outcomes(1000)
        await lab.drained()
        assert heir.said().count("is damaged") == heir.said().count("restored") == len(lab.partitions)
        await lab.check()


@pytest.mark.parametrize("damage", [pytest.param("flipped", marks=pytest.mark.slow), "deleted"])
async def test_without_any_usable_snapshot_the_journal_is_executed_from_its_start_with_an_alarm(
    space, tmp_path, damage
):
    async with Lab(space, tmp_path) as lab:
        await worked(lab)
        assert await lab.damage(b"|", DAMAGES[damage]) > 2 * len(lab.partitions)
        heir = lab.worker()
        async with lab.loading():
            await lab.more_outcomes(1000)
        await lab.drained()
        assert heir.said().count("no snapshot is usable") == len(lab.partitions)
        assert await lab.check() > 3000
