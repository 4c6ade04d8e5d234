"""Registering, logging in, staying logged in, and the ways in which each is refused."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct horse"


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], error["field"]


def credentials(username, password=PASSWORD):
    return {"username": username, "password": password}


async def test_who_registers_is_logged_in_and_has_a_wallet(client, door):
    answer = await client.post("accounts/auth/register/", credentials("Ada"))
    assert (answer.status, answer.body.keys()) == (201, {"access", "refresh"})
    me = await client.as_user(answer.body["access"]).get("accounts/me/")
    row = await door.services.database.row("select id, created_at from users where username = 'ada'")
    assert (me.status, me.body) == (
        200,
        {
            "id": row["id"],
            "username": "ada",
            "is_admin": False,
            "mfa_enabled": False,
            "created_at": row["created_at"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    )
    wallets = await door.services.database.rows("select asset, available from wallets where user_id = $1", row["id"])
    assert [tuple(wallet) for wallet in wallets] == [("USD", 0)]


async def test_a_name_is_taken_in_every_spelling(client):
    await client.register("grace")
    assert refusal(await client.post("accounts/auth/register/", credentials("GRACE"))) == (
        409, "username_taken", "username")  # fmt: skip


async def test_two_who_want_one_name_at_once_get_one_user(client):
    answers = await asyncio.gather(
        *(client.post("accounts/auth/register/", credentials("rival", f"password {n}")) for n in range(8))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


async def test_login_gives_tokens_that_work(client):
    await client.register("alan")
    answer = await client.post("accounts/auth/login", credentials("Alan"))
    assert (answer.status, answer.body.keys()) == (200, {"access", "refresh"})
    assert (await client.as_user(answer.body["access"]).get("accounts/me")).body["username"] == "alan"


@pytest.mark.parametrize("body", [credentials("edsger", "wrong"), credentials("nobody-here"), credentials("a b", "x")])
async def test_a_wrong_name_and_a_wrong_password_are_refused_alike(client, body):
    await client.post("accounts/auth/register/", credentials("edsger"))
    answer = await client.post("accounts/auth/login/", body)
    assert refusal(answer) == (401, "wrong_credentials", None)
    assert answer.body["error"]["message"] == "There is no such user, or the password is another one."


async def test_ten_wrong_passwords_make_even_the_right_one_wait(client):
    await client.register("barbara")
    for _ in range(10):
        await client.post("accounts/auth/login/", credentials("barbara", "wrong"))
    answer = await client.post("accounts/auth/login/", credentials("barbara"))
    assert refusal(answer) == (429, "too_many_attempts", None)
    assert 0 < int(answer.headers["Retry-After"]) <= 301


async def test_a_refresh_token_is_good_once(client):
    first = (await client.post("accounts/auth/register/", credentials("tony"))).body
    second = await client.post("accounts/auth/refresh/", {"refresh": first["refresh"]})
    assert (second.status, second.body.keys()) == (200, {"access", "refresh"})
    assert (await client.as_user(second.body["access"]).get("accounts/me")).status == 200
    third = await client.post("accounts/auth/refresh/", {"refresh": second.body["refresh"]})
    assert third.status == 200


async def test_a_reused_refresh_token_ends_the_whole_family(client):
    first = (await client.post("accounts/auth/register/", credentials("niklaus"))).body
    other = (await client.post("accounts/auth/login/", credentials("niklaus"))).body
    second = (await client.post("accounts/auth/refresh/", {"refresh": first["refresh"]})).body
    reused = await client.post("accounts/auth/refresh/", {"refresh": first["refresh"]})
    assert refusal(reused) == (401, "refresh_reused", "refresh")
    victim = await client.post("accounts/auth/refresh/", {"refresh": second["refresh"]})
    assert refusal(victim) == (401, "invalid_token", "refresh")
    assert (await client.post("accounts/auth/refresh/", {"refresh": other["refresh"]})).status == 200, "another family"


async def test_of_concurrent_refreshes_one_wins_and_the_family_ends(client):
    first = (await client.post("accounts/auth/register/", credentials("donald"))).body
    answers = await asyncio.gather(
        *(client.post("accounts/auth/refresh/", {"refresh": first["refresh"]}) for _ in range(8))
    )
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7
    winner = next(answer.body["refresh"] for answer in answers if answer.status == 200)
    assert (await client.post("accounts/auth/refresh/", {"refresh": winner})).status == 401


async def test_logout_ends_the_family_and_may_be_said_twice(client):
    tokens = (await client.post("accounts/auth/register/", credentials("leslie"))).body
    for _ in range(2):
        answer = await client.post("accounts/auth/logout/", {"refresh": tokens["refresh"]})
        assert (answer.status, answer.body) == (204, None)
    assert refusal(await client.post("accounts/auth/refresh/", {"refresh": tokens["refresh"]})) == (
        401, "invalid_token", "refresh")  # fmt: skip


async def test_a_new_password_ends_all_families(client):
    first = (await client.post("accounts/auth/register/", credentials("radia"))).body
    second = (await client.post("accounts/auth/login/", credentials("radia"))).body
    user = client.as_user(first["access"])
    wrong = await user.post("accounts/auth/password/", {"old": "wrong", "new": "battery staple"})
    assert refusal(wrong) == (401, "wrong_credentials", "old")
    changed = await user.post("accounts/auth/password/", {"old": PASSWORD, "new": "battery staple"})
    assert (changed.status, changed.body) == (204, None)
    for tokens in (first, second):
        assert (await client.post("accounts/auth/refresh/", {"refresh": tokens["refresh"]})).status == 401
    assert (await client.post("accounts/auth/login/", credentials("radia"))).status == 401
    assert (await client.post("accounts/auth/login/", credentials("radia", "battery staple"))).status == 200


async def test_only_hashes_are_kept(client, door):
    tokens = (await client.post("accounts/auth/register/", credentials("whitfield"))).body
    rows = await door.services.database.rows("select u.password_hash, t.token_hash from users u, refresh_tokens t")
    kept = repr([tuple(row) for row in rows])
    assert tokens["refresh"] not in kept
    assert PASSWORD not in kept
    assert all(row["password_hash"].startswith("$argon2id$") for row in rows)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x"])
async def test_a_call_without_a_token_is_told_to_bring_one(client, header):
    answer = await client.get("accounts/me/", headers={"Authorization": header} if header else {})
    assert refusal(answer) == (401, "unauthenticated", None)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tidemark"'


async def test_a_token_of_a_user_who_is_not_here_is_refused(client, door):
    token = door.services.tokens.issue(1 << 40, int(door.services.clock()))
    assert refusal(await client.as_user(token).get("accounts/me/")) == (401, "invalid_token", None)


async def test_logins_and_failures_are_in_the_audit_log(client, door):
    await client.register("grete")
    await client.post("accounts/auth/login/", credentials("grete", "wrong"))
    good = await client.post("accounts/auth/login/", credentials("grete"))
    rows = await door.services.database.rows(
        "select l.action, l.address, l.request_id from audit_log l join users u on u.id = l.actor_id"
        " where u.username = 'grete' order by l.id"
    )
    assert [(row["action"], row["address"]) for row in rows] == [
        ("login_failed", "127.0.0.1"), ("login", "127.0.0.1")]  # fmt: skip
    assert rows[1]["request_id"] == good.headers["X-Request-Id"]
