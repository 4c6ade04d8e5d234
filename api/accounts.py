"""Who one is: register, log in, stay logged in, log out, change the password, and look at oneself."""

from api.call import Call, Reply
from api.routing import Policy, Routes
from ledger import accounts, sessions
from ledger.sessions import Verdict
from runtime.passwords import PasswordsBusy, outdated
from schemas import times
from schemas.bodies.accounts import Credentials, Me, NewPassword, Refresh, Registration, Tokens
from schemas.errors import (
    INVALID_TOKEN,
    REFRESH_REUSED,
    TOKEN_EXPIRED,
    TOO_MANY_ATTEMPTS,
    TOO_MANY_REQUESTS,
    USERNAME_TAKEN,
    WRONG_CREDENTIALS,
    Refusal,
)

routes = Routes("accounts")

NOT_GOOD = {
    Verdict.UNKNOWN: (INVALID_TOKEN, "The refresh token is not one of ours; log in again."),
    Verdict.ENDED: (INVALID_TOKEN, "The session of this refresh token has ended; log in again."),
    Verdict.REUSED: (REFRESH_REUSED, "The refresh token was used before, so its session has ended; log in again."),
    Verdict.EXPIRED: (TOKEN_EXPIRED, "The refresh token has expired; log in again."),
}


def _tokens(call: Call, user_id: int, refresh: str) -> Tokens:
    return Tokens(access=call.services.tokens.issue(user_id, int(call.services.clock())), refresh=refresh)


def _busy() -> Refusal:
    return Refusal(TOO_MANY_REQUESTS, "Too many passwords are being checked; try again in a second.", retry_after_s=1)


async def _hashed(call: Call, password: str) -> str:
    try:
        return await call.services.passwords.hash(password)
    except PasswordsBusy:
        raise _busy() from None


async def _matches(call: Call, password: str, stored: str | None) -> bool:
    try:
        return await call.services.passwords.matches(password, stored)
    except PasswordsBusy:
        raise _busy() from None


@routes.post(
    "accounts/auth/register",
    Policy.PUBLIC,
    body=Registration,
    answer=Tokens,
    status=201,
    refusals=(USERNAME_TAKEN, TOO_MANY_REQUESTS),
)
async def register(call: Call, body: Registration) -> Tokens:
    """Make a user with a wallet, and log him in."""
    stored = await _hashed(call, body.password)
    async with call.services.database.transaction() as connection:
        user_id = await accounts.create_user(connection, accounts.NewUser(username=body.username, password_hash=stored))
        if user_id is None:
            raise Refusal(USERNAME_TAKEN, "username is taken by another user.", "username")
        refresh = await sessions.begin(connection, user_id)
    return _tokens(call, user_id, refresh)


@routes.post(
    "accounts/auth/login",
    Policy.PUBLIC,
    body=Credentials,
    answer=Tokens,
    refusals=(WRONG_CREDENTIALS, TOO_MANY_ATTEMPTS, TOO_MANY_REQUESTS),
)
async def login(call: Call, body: Credentials) -> Tokens:
    """Begin a session with name and password."""
    attempts, now_s = call.services.attempts, call.services.clock()
    attempts.admit(body.username, call.address, now_s)
    async with call.services.database.connection() as connection:
        found = await sessions.credentials(connection, body.username)
    user_id, stored = found or (None, None)
    if not await _matches(call, body.password, stored) or user_id is None or stored is None:
        attempts.failed(body.username, call.address, now_s)
        await _failed(call, user_id)
        raise Refusal(WRONG_CREDENTIALS, "There is no such user, or the password is another one.")
    attempts.succeeded(body.username)
    renewed = await _hashed(call, body.password) if outdated(stored) else None
    async with call.services.database.transaction() as connection:
        refresh = await sessions.begin(connection, user_id)
        if renewed is not None:
            await sessions.set_password(connection, user_id, renewed)
        await call.audit(connection, "login", None, actor_id=user_id)
    return _tokens(call, user_id, refresh)


@routes.post(
    "accounts/auth/refresh",
    Policy.PUBLIC,
    body=Refresh,
    answer=Tokens,
    refusals=(INVALID_TOKEN, REFRESH_REUSED, TOKEN_EXPIRED),
)
async def refresh(call: Call, body: Refresh) -> Tokens:
    """Spend a refresh token for the next pair; to use one twice ends its session."""
    async with call.services.database.transaction() as connection:
        refreshed = await sessions.refresh(connection, body.refresh)
        if refreshed.verdict is Verdict.REUSED:
            await call.audit(connection, "refresh_reused", None, actor_id=None)
    if refreshed.user_id is None or refreshed.refresh is None:
        raise Refusal(*NOT_GOOD[refreshed.verdict], "refresh")
    return _tokens(call, refreshed.user_id, refreshed.refresh)


@routes.post("accounts/auth/logout", Policy.PUBLIC, body=Refresh, status=204)
async def logout(call: Call, body: Refresh) -> None:
    """End the session that this refresh token belongs to; one that has ended already is fine."""
    async with call.services.database.transaction() as connection:
        await sessions.end(connection, body.refresh)


@routes.post("accounts/auth/password", Policy.SESSION, body=NewPassword, status=204, refusals=(WRONG_CREDENTIALS,))
async def password(call: Call, body: NewPassword) -> Reply:
    """Change the password and end every session."""
    user_id, now_s = call.user.id, call.services.clock()
    attempts, name = call.services.attempts, f"#{user_id}"
    attempts.admit(name, call.address, now_s)
    async with call.services.database.connection() as connection:
        stored = await sessions.password_hash(connection, user_id)
    if not await _matches(call, body.old, stored):
        attempts.failed(name, call.address, now_s)
        raise Refusal(WRONG_CREDENTIALS, "old is not the password of this user.", "old")
    renewed = await _hashed(call, body.new)
    async with call.services.database.transaction() as connection:
        if await sessions.password_hash(connection, user_id) != stored:
            raise Refusal(WRONG_CREDENTIALS, "old is not the password any more.", "old")
        await sessions.set_password(connection, user_id, renewed)
        await sessions.end_all(connection, user_id, "password")
        await call.audit(connection, "password", None, actor_id=user_id)
    return Reply(204)


@routes.get("accounts/me", Policy.READ, answer=Me)
async def me(call: Call) -> Me:
    """Who the caller is."""
    found = await call.services.profiles.get(call.user.id)
    return Me(
        id=found.id,
        username=found.username or "",
        is_admin=found.is_admin,
        mfa_enabled=False,
        created_at=times.text(found.created_at),
    )


async def _failed(call: Call, user_id: int | None) -> None:
    async with call.services.database.connection() as connection:
        await call.audit(connection, "login_failed", None, actor_id=user_id)
