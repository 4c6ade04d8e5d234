import asyncio

import argon2
import pytest

from runtime.passwords import Passwords, PasswordsBusy, outdated


@pytest.fixture(scope="module")
def passwords():
    one = Passwords(workers=1, waiting=1)
    yield one
    one.close()


async def test_a_password_matches_its_hash_and_no_other(passwords: Passwords):
    stored = await passwords.hash("correct horse")
    assert await passwords.matches("correct horse", stored)
    assert not await passwords.matches("correct horses", stored)
    assert not await passwords.matches("", stored)


async def test_hashes_are_argon2id_of_19_mib_and_two_passes_with_salt(passwords: Passwords):
    first, second = await passwords.hash("same"), await passwords.hash("same")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second


async def test_nobody_has_no_password(passwords: Passwords):
    assert not await passwords.matches("anything", None)
    assert not await passwords.matches("anything", "")


async def test_a_hash_that_is_none_matches_nothing(passwords: Passwords):
    assert not await passwords.matches("anything", "not a hash")


async def test_more_than_can_wait_are_turned_away_and_the_others_served(passwords: Passwords):
    stored = await passwords.hash("one")
    checks = [asyncio.create_task(passwords.matches("one", stored)) for _ in range(5)]
    results = await asyncio.gather(*checks, return_exceptions=True)
    assert results.count(True) == 2
    assert sum(isinstance(result, PasswordsBusy) for result in results) == 3
    assert await passwords.matches("one", stored)


async def test_a_client_that_hangs_up_does_not_make_room_before_its_work_has_ended(passwords: Passwords):
    first, second = (asyncio.create_task(passwords.hash("x")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(PasswordsBusy):
        await passwords.hash("y")
    assert await second


def test_a_hash_with_weaker_parameters_is_outdated():
    weaker = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("x")
    assert outdated(weaker)
    assert not outdated(argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash("x"))
