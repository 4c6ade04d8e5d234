import pytest

from ledger.sessions import Refreshed, Verdict, begin, end, end_all, judge, refresh


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (None, Verdict.UNKNOWN),
        ({"has_ended": False, "is_spent": False, "is_expired": False}, Verdict.GOOD),
        ({"has_ended": False, "is_spent": False, "is_expired": True}, Verdict.EXPIRED),
        ({"has_ended": False, "is_spent": True, "is_expired": True}, Verdict.REUSED),
        ({"has_ended": True, "is_spent": True, "is_expired": False}, Verdict.ENDED),
    ],
)
def test_a_token_is_judged_by_its_family_first(row, verdict):
    assert judge(row) is verdict


async def test_a_session_goes_on_from_token_to_token(connection, ada):
    first = await begin(connection, ada)
    second = await refresh(connection, first)
    assert second == Refreshed(Verdict.GOOD, ada, second.refresh)
    assert (await refresh(connection, second.refresh)).verdict is Verdict.GOOD
    assert (await refresh(connection, "nobody's")).verdict is Verdict.UNKNOWN


async def test_reuse_ends_the_family_and_says_so_once(connection, ada):
    first = await begin(connection, ada)
    second = await refresh(connection, first)
    assert (await refresh(connection, first)) == Refreshed(Verdict.REUSED)
    assert (await refresh(connection, first)) == Refreshed(Verdict.ENDED)
    assert (await refresh(connection, second.refresh)) == Refreshed(Verdict.ENDED)
    rows = await connection.fetch("select end_reason from refresh_families")
    assert [row["end_reason"] for row in rows] == ["reuse"]


async def test_an_expired_token_is_not_spent_and_ends_nothing(connection, ada):
    token = await begin(connection, ada)
    await connection.execute("update refresh_tokens set expires_at = now()")
    assert await refresh(connection, token) == Refreshed(Verdict.EXPIRED)


async def test_a_logout_ends_one_session_and_a_password_all(connection, ada):
    tokens = [await begin(connection, ada) for _ in range(3)]
    await end(connection, tokens[0])
    assert [(await refresh(connection, token)).verdict for token in tokens[:2]] == [Verdict.ENDED, Verdict.GOOD]
    await end_all(connection, ada, "password")
    assert (await refresh(connection, tokens[2])).verdict is Verdict.ENDED


async def test_only_the_owner_ends_a_session_that_is_named_with_its_owner(connection, ada):
    token = await begin(connection, ada)
    await end(connection, token, user_id=ada + 1)
    assert (await refresh(connection, token)).verdict is Verdict.GOOD
