"""The anchors can be measured on the real servers, and clean up after themselves."""

import asyncpg

from runtime import anchors, kafka
from runtime.bench import Measuring


async def test_every_anchor_is_measured_and_nothing_stays_behind(space, monkeypatch):
    monkeypatch.setattr(anchors, "RECORDS", 50)
    monkeypatch.setattr(anchors, "ROUND_TRIPS", 3)
    measuring = Measuring(space, repeats=2)
    await anchors.BENCH.measure(measuring)
    assert [(row.name, row.unit, len(row.values)) for row in measuring.rows] == [
        ("kafka produce", "records/s", 2),
        ("kafka consume", "records/s", 2),
        ("kafka one record p50", "ms", 2),
        ("postgres round trip p50", "ms", 2),
        ("postgres commit p50", "ms", 2),
        ("postgres insert", "rows/s", 2),
        ("redis round trip p50", "ms", 2),
    ]
    async with kafka._admin(space) as admin:
        assert not [name for name in await kafka._existing(admin) if name.startswith(space.namespace)]
    connection = await asyncpg.connect(
        host=space.postgres_host, port=space.postgres_port, user=space.postgres_user,
        password=space.postgres_password, database=space.postgres_db,
    )  # fmt: skip
    assert not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", space.postgres_schema)
    await connection.close()
