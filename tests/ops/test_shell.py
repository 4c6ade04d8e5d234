TALK = """
1 + 1
await db.fetchval("select count(*) from currencies")
await redis.ping()
settings.topic("trades").endswith(".trades")
type(producer).__name__
for number in range(2):
    value = await asyncio.sleep(0, number)

value
await db.fetchval("select 1 / 0")
"still here"
"""


async def test_it_reads_python_with_await_and_the_connections_are_open(verb):
    said = await verb("shell", stdin=TALK)
    assert said.code == 0
    answers = [line.removeprefix(">>> ").lstrip(". ") for line in said.out.replace(">>> ", "\n").splitlines()]
    assert [answer for answer in answers if answer] == [
        "2",
        "1",
        "True",
        "True",
        "'AIOKafkaProducer'",
        "1",
        "'still here'",
    ]
    assert "DivisionByZeroError: division by zero" in said.err
    assert "ops/shell.py" not in said.err
    assert "`await` works at the top level" in said.err


async def test_it_runs_one_piece_of_code(verb):
    said = await verb("shell", "-c", "print(await db.fetchval('select 6 * 7'))")
    assert (said.code, said.out, said.err) == (0, "42\n", "")


async def test_what_was_raised_is_shown_from_the_typed_line_on(verb):
    said = await verb("shell", "-c", "raise LookupError('no')")
    assert said.err.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<console>", line 1, in <module>',
        "LookupError: no",
    ]


async def test_code_that_fails_has_an_exit_code(verb):
    assert (await verb("shell", "-c", "raise LookupError('no')")).code == 1
    assert (await verb("shell", "-c", "1 +")).code == 1
    assert (await verb("shell", "-c", "raise SystemExit(3)")).code == 3


async def test_a_server_that_is_away_is_one_sentence(verb):
    said = await verb("shell", stdin="1\n", REDIS_HOST="127.0.0.1", REDIS_PORT="1")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "tidemark: Redis does not answer (nobody answers at 127.0.0.1:1 (Connection refused)): "
        "start everything with `make run`.\n"
    )
