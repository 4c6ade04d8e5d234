import getpass
import sys

import pytest

from ledger.connection import books
from ops import cli
from runtime.passwords import Passwords

BOB = {"TIDEMARK_ADMIN_USERNAME": "Bob", "TIDEMARK_ADMIN_PASSWORD": "long enough"}


async def admin(database) -> tuple[str, bool, bool]:
    """The only user's name, whether he is an admin, and whether the password is the one above."""
    async with books(database) as connection:
        row = await connection.fetchrow("select username, is_admin, password_hash from users")
    passwords = Passwords(workers=1)
    return row["username"], row["is_admin"], await passwords.matches("long enough", row["password_hash"])


async def test_name_and_password_may_come_from_the_environment(verb, database):
    said = await verb("admin", "create", **BOB)
    assert (said.code, said.out, said.err) == (0, "bob is an admin.\n", "")
    assert await admin(database) == ("bob", True, True)


async def test_or_from_options_which_win(verb, database):
    said = await verb("admin", "create", "--username", "carol", "--password", "other words", **BOB)
    assert (said.code, said.out) == (0, "carol is an admin.\n")
    assert await admin(database) == ("carol", True, False)


async def test_a_user_who_is_there_becomes_admin_with_the_new_password(verb, database):
    async with books(database) as connection:
        await connection.execute("insert into users (username, password_hash) values ('bob', 'old')")
    said = await verb("admin", "create", **BOB)
    assert said.out == "bob was there: is an admin now, with this password, and logged out everywhere.\n"
    assert await admin(database) == ("bob", True, True)


async def test_a_user_gets_a_new_password_and_no_more_rights(verb, database):
    async with books(database) as connection:
        await connection.execute("insert into users (username) values ('bob')")
    said = await verb("admin", "reset-password", **BOB)
    assert (said.code, said.out) == (0, "bob has this password now, and is logged out everywhere.\n")
    assert await admin(database) == ("bob", False, True)


async def test_only_who_is_there_gets_a_new_password(verb):
    said = await verb("admin", "reset-password", **BOB)
    assert (said.code, said.out, said.err) == (1, "", "tidemark: There is no user bob.\n")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "Nobody is there to be asked: give --username or TIDEMARK_ADMIN_USERNAME."),
        (
            {"TIDEMARK_ADMIN_USERNAME": "bob"},
            "Nobody is there to be asked: give --password or TIDEMARK_ADMIN_PASSWORD.",
        ),
        (BOB | {"TIDEMARK_ADMIN_USERNAME": "b b"}, "username must be 3 to 32 characters of a-z, 0-9, _ . and -."),
        (BOB | {"TIDEMARK_ADMIN_PASSWORD": "short"}, "password must be 8 to 128 characters long."),
    ],
)
async def test_what_is_missing_or_wrong_is_one_sentence(verb, environ, sentence):
    said = await verb("admin", "create", **environ)
    assert (said.code, said.out, said.err) == (1, "", f"tidemark: {sentence}\n")


def test_who_ends_the_questions_has_changed_nothing(monkeypatch, capsys):
    def gone(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", gone)
    assert cli.main(["admin", "create", "--username", "bob"]) == 1
    assert capsys.readouterr().err == "\ntidemark: Nothing was answered, and nothing was changed.\n"
