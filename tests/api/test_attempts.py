import pytest

from api.attempts import WINDOW_S, Attempts
from schemas.errors import Refusal


def guess(attempts, username="ada", address="10.0.0.1", now_s=1000.0):
    attempts.admit(username, address, now_s)
    attempts.failed(username, address, now_s)


def test_a_user_who_fails_too_often_waits_whatever_the_address():
    attempts = Attempts(per_user=3)
    for number in range(3):
        guess(attempts, address=f"10.0.0.{number}")
    with pytest.raises(Refusal) as refused:
        guess(attempts, address="10.0.0.9", now_s=1100.0)
    assert (refused.value.code.name, refused.value.headers) == ("too_many_attempts", {"Retry-After": "201"})
    guess(attempts, username="bob")
    guess(attempts, now_s=1000.0 + WINDOW_S)


def test_an_address_that_fails_too_often_waits_whoever_it_names():
    attempts = Attempts(per_address=3)
    for number in range(3):
        guess(attempts, username=f"user{number}")
    with pytest.raises(Refusal):
        guess(attempts, username="somebody")
    guess(attempts, username="somebody", address="10.0.0.2")


def test_a_good_login_forgives_the_user_and_not_the_address():
    attempts = Attempts(per_user=2, per_address=3)
    guess(attempts)
    attempts.succeeded("ada")
    guess(attempts)
    guess(attempts)
    with pytest.raises(Refusal) as refused:
        guess(attempts, username="bob")
    assert "address" in refused.value.message


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr("api.attempts.MAX_KEYS", 4)
    attempts = Attempts()
    for number in range(50):
        guess(attempts, username=f"user{number}")
    assert len(attempts._windows) == 4


def test_a_clock_that_jumps_back_locks_nobody_out():
    attempts = Attempts(per_user=1)
    guess(attempts, now_s=5000.0)
    guess(attempts, now_s=1000.0)
