"""`tidemark admin create | reset-password`: makes an admin; gives a user a new password."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable

from runtime.embedded.home import resolve
from runtime.embedded.program import Broken
from runtime.settings import Settings, load

USERNAME, PASSWORD = "TIDEMARK_ADMIN_USERNAME", "TIDEMARK_ADMIN_PASSWORD"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("admin", help="make an admin", description="Looks after admins.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser(
        "create",
        help="make an admin, or give a user admin rights and a new password",
        description=f"Takes name and password from the options, from {USERNAME} and {PASSWORD}, or asks for them.",
    )
    create.add_argument("--username", help=f"default: {USERNAME}, else asked for")
    create.add_argument(
        "--password", help=f"default: {PASSWORD}, else asked for; others may see it in the list of processes"
    )
    create.set_defaults(run=run, work=_create)
    reset = actions.add_parser(
        "reset-password",
        help="give a user a new password, for instance after the books were recovered without it",
        description=f"The user is logged out everywhere. Name and password come from the options, {USERNAME} and "
        f"{PASSWORD}, or are asked for.",
    )
    reset.add_argument("--username", help=f"default: {USERNAME}, else asked for")
    reset.add_argument("--password", help=f"default: {PASSWORD}, else asked for; as above")
    reset.set_defaults(run=run, work=_reset)


def run(args: argparse.Namespace) -> int:
    username = args.username or os.environ.get(USERNAME) or _ask("Username: ", f"--username or {USERNAME}")
    password = args.password or os.environ.get(PASSWORD) or _ask_password()
    username, password = checked(username, password)
    print(asyncio.run(args.work(resolve(load()), username, password)))
    return 0


def _ask(question: str, instead: str) -> str:
    if not sys.stdin.isatty():
        raise Broken(f"Nobody is there to be asked: give {instead}.")
    return _typed(input, question).strip()


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise Broken(f"Nobody is there to be asked: give --password or {PASSWORD}.")
    password = _typed(getpass.getpass, "Password: ")
    if password != _typed(getpass.getpass, "Once more: "):
        raise Broken("The two passwords differ.")
    return password


def _typed(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question)
    except EOFError:  # Ctrl-D: whoever was asked has gone
        print(file=sys.stderr)
        raise Broken("Nothing was answered, and nothing was changed.") from None


def checked(username: str, password: str) -> tuple[str, str]:
    """The rules of registration hold for admins too."""
    from pydantic import ValidationError

    from schemas.bodies.accounts import Registration

    try:
        registration = Registration(username=username, password=password)
    except ValidationError as error:
        first = error.errors()[0]
        raise Broken(f"{first['loc'][0]} {first['msg']}") from None
    return registration.username, registration.password


async def _hashed(password: str) -> str:
    from runtime.passwords import Passwords

    passwords = Passwords(workers=1)
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


async def _reset(settings: Settings, username: str, password: str) -> str:
    from ledger.accounts import find_user, set_password
    from ledger.connection import books

    password_hash = await _hashed(password)
    async with books(settings) as connection, connection.transaction():
        known = await find_user(connection, username)
        if known is None:
            raise Broken(f"There is no user {username}.")
        await set_password(connection, known, password_hash)
    return f"{username} has this password now, and is logged out everywhere."


async def _create(settings: Settings, username: str, password: str) -> str:
    from ledger.accounts import NewUser, create_user, find_user, make_admin
    from ledger.connection import books
    from ledger.migrate import migrate

    await migrate(settings)
    password_hash = await _hashed(password)
    async with books(settings) as connection, connection.transaction():
        user = NewUser(username=username, password_hash=password_hash, is_admin=True)
        if await create_user(connection, user) is not None:
            return f"{username} is an admin."
        known = await find_user(connection, username)
        assert known is not None, "users are never removed"
        await make_admin(connection, known, password_hash)
        return f"{username} was there: is an admin now, with this password, and logged out everywhere."
