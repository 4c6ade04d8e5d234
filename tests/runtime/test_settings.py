"""Settings come from the environment and the file, the environment wins, a wrong one is a sentence that names it."""

import dataclasses
import os
from pathlib import Path

import pytest

from runtime.settings import Settings, SettingsError, default_home, load, read_config

NO_FILE = Path(os.devnull)


def loaded(**environ: str) -> Settings:
    return load({"TIDEMARK_HOME": "/data", **environ}, NO_FILE)


def test_without_anything_the_servers_are_ours_and_the_sandbox_is_on():
    assert loaded() == Settings(home=Path("/data"))


def test_every_setting_can_be_given():
    assert loaded(
        TIDEMARK_PORT="9000", TIDEMARK_BIND="0.0.0.0", TIDEMARK_SANDBOX="no", DEBUG="1", LOGLEVEL="warning",
        LOG_FORMAT="json", ALLOWED_HOSTS="a, b,", CORS_ORIGINS="https://a", SECRET_KEY="s" * 32,
        JWT_SECRET_KEY="j" * 32, POSTGRES_HOST="pg", POSTGRES_PORT="1", POSTGRES_DB="d", POSTGRES_USER="u",
        POSTGRES_PASSWORD="p", REDIS_HOST="r", REDIS_PORT="2", REDIS_PASSWORD="q", KAFKA_BOOTSTRAP="k:1,l:2",
        KAFKA_PARTITIONS="16", KAFKA_REPLICATION="3", JOURNAL_FLUSH="off", TIDEMARK_NAMESPACE="blue",
        TIDEMARK_SITE_PORT="3", EXCHANGE="binance", EXCHANGE_URL="http://x", EXCHANGE_API_KEY="k",
        EXCHANGE_SECRET_KEY="e", TIDEMARK_EXCHANGE_OPTIONS="--fail 1",
    ) == Settings(
        home=Path("/data"), port=9000, bind="0.0.0.0", sandbox=False, debug=True, loglevel="WARNING",
        log_format="json", allowed_hosts=("a", "b"), cors_origins=("https://a",), secret_key="s" * 32,
        jwt_secret_key="j" * 32, postgres_host="pg", postgres_port=1, postgres_db="d", postgres_user="u",
        postgres_password="p", redis_host="r", redis_port=2, redis_password="q", kafka_bootstrap="k:1,l:2",
        kafka_partitions=16, kafka_replication=3, journal_flush=False, namespace="blue", site_port=3,
        exchange="binance", exchange_url="http://x", exchange_api_key="k", exchange_secret_key="e",
        exchange_options="--fail 1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TIDEMARK_PORT", "0", "TIDEMARK_PORT is '0': write a whole number from 1 to 65535."),
        ("TIDEMARK_PORT", "80.5", "TIDEMARK_PORT is '80.5': write a whole number from 1 to 65535."),
        ("POSTGRES_PORT", "99999", "POSTGRES_PORT is '99999': write a whole number from 1 to 65535."),
        ("DEBUG", "maybe", "DEBUG is 'maybe': write true or false."),
        ("LOGLEVEL", "loud", "LOGLEVEL is 'LOUD': write one of DEBUG, INFO, WARNING, ERROR."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml': write one of text, json."),
        ("KAFKA_BOOTSTRAP", "kafka", "KAFKA_BOOTSTRAP is 'kafka': write host:port, or several with commas between."),
        ("KAFKA_PARTITIONS", "0", "KAFKA_PARTITIONS is '0': write a whole number from 1 to 1024."),
        (
            "TIDEMARK_NAMESPACE", "Blue-1",
            "TIDEMARK_NAMESPACE is 'Blue-1': write lower-case letters, digits and _, a letter first.",
        ),
    ],
)  # fmt: skip
def test_a_wrong_value_is_a_sentence_that_names_it(name, value, sentence):
    with pytest.raises(SettingsError) as caught:
        loaded(**{name: value})
    assert str(caught.value) == sentence


def test_the_environment_wins_over_the_file_and_an_empty_value_does_not_count(tmp_path):
    file = tmp_path / "config.env"
    file.write_text("POSTGRES_USER=file\nPOSTGRES_DB=file\nREDIS_HOST=file\n")
    settings = load({"POSTGRES_USER": "environment", "POSTGRES_DB": "", "TIDEMARK_CONFIG": str(file)})
    assert (settings.postgres_user, settings.postgres_db, settings.redis_host) == ("environment", "file", "file")


def test_the_file_may_have_comments_quotes_and_export(tmp_path):
    file = tmp_path / "config.env"
    file.write_text("# a comment\n\nexport A=1\nB = 'two words'\nC=\"3\"\nD='\nE=a=b\n")
    assert read_config(file) == {"A": "1", "B": "two words", "C": "3", "D": "'", "E": "a=b"}
    assert read_config(tmp_path / "absent") == {}


def test_a_line_that_is_no_setting_is_named(tmp_path):
    file = tmp_path / "config.env"
    file.write_text("A=1\nlower=1\n")
    with pytest.raises(SettingsError, match=r"config\.env, line 2: 'lower=1' is not of the form NAME=value\."):
        read_config(file)


@pytest.mark.parametrize("secret", ["", "your_secret_key", "CHANGE_ME"])
def test_outside_the_sandbox_nothing_starts_with_a_known_secret(secret):
    with pytest.raises(SettingsError, match="SECRET_KEY is not set: outside the sandbox"):
        loaded(TIDEMARK_SANDBOX="false", SECRET_KEY=secret, JWT_SECRET_KEY="j" * 32)


def test_secrets_are_not_shown():
    text = repr(loaded(SECRET_KEY="hush1", JWT_SECRET_KEY="hush2", POSTGRES_PASSWORD="hush3", REDIS_PASSWORD="hush4"))
    assert "hush" not in text


def test_one_namespace_moves_every_name():
    settings = Settings(home=Path("/data"))
    blue = dataclasses.replace(settings, namespace="blue")
    assert [settings.topic("trades"), settings.group("wallet"), settings.redis_key("book:M")] == [
        "trades", "wallet", "book:M",
    ]  # fmt: skip
    assert [blue.topic("trades"), blue.group("wallet"), blue.redis_key("book:M")] == [
        "blue.trades", "blue.wallet", "blue:book:M",
    ]  # fmt: skip
    assert (settings.postgres_schema, blue.postgres_schema) == ("public", "blue")


def test_another_process_can_be_given_the_same_servers_and_names():
    there = loaded(
        POSTGRES_HOST="pg", POSTGRES_PORT="1", POSTGRES_DB="d", POSTGRES_USER="u", POSTGRES_PASSWORD="p",
        REDIS_HOST="r", REDIS_PORT="2", REDIS_PASSWORD="q", KAFKA_BOOTSTRAP="k:1,l:2", KAFKA_PARTITIONS="16",
        TIDEMARK_NAMESPACE="blue",
    )  # fmt: skip
    assert load(there.environ(), NO_FILE) == there
    assert load(loaded().environ(), NO_FILE) == loaded(), "what is not there is not said"


def test_brokers_are_a_list():
    assert loaded(KAFKA_BOOTSTRAP="a:1, b:2").brokers == ["a:1", "b:2"]


def test_a_relative_home_is_under_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load({"TIDEMARK_HOME": "data"}, NO_FILE).home == tmp_path / "data"


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/u"}, "/u/.local/share/tidemark"),
        ("linux", {"HOME": "/u", "XDG_DATA_HOME": "/x"}, "/x/tidemark"),
        ("darwin", {"HOME": "/u"}, "/u/Library/Application Support/tidemark"),
    ],
)
def test_the_default_home_is_the_platforms(platform, environ, expected, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    assert default_home(environ) == Path(expected)
