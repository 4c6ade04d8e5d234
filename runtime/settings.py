"""Every setting of every process, read once at start from the environment and `config.env` into one frozen value.

The environment wins over the file. A wrong value stops the start with one sentence that names it. Names of topics,
consumer groups, Redis keys and the PostgreSQL schema all come from here, so that one namespace moves them together.
"""

import dataclasses
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SECRETS = ("SECRET_KEY", "JWT_SECRET_KEY")
PLACEHOLDERS = frozenset({"", "your_secret_key", "your_jwt_secret_key", "change_me", "changeme"})


class SettingsError(Exception):
    """A setting is wrong; the message says which one and what it should be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. An address that is None belongs to a server that the supervisor starts by itself."""

    home: Path
    port: int = 8000
    bind: str = "127.0.0.1"
    sandbox: bool = True
    debug: bool = False
    loglevel: str = "INFO"
    log_format: str = "text"
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "::1")
    cors_origins: tuple[str, ...] = ()
    secret_key: str = dataclasses.field(default="", repr=False)
    jwt_secret_key: str = dataclasses.field(default="", repr=False)
    postgres_host: str | None = None
    postgres_port: int = 5432
    postgres_db: str = "tidemark"
    postgres_user: str = "tidemark"
    postgres_password: str = dataclasses.field(default="", repr=False)
    redis_host: str | None = None
    redis_port: int = 6379
    redis_password: str = dataclasses.field(default="", repr=False)
    kafka_bootstrap: str | None = None
    kafka_partitions: int = 8
    kafka_replication: int = 1
    journal_flush: bool = True
    order_wait_ms: int = 2000
    max_open_orders: int = 10_000
    collar_bps: int = 500
    prove_every_s: int = 600
    exchange: str = "simulated"
    exchange_url: str | None = None
    exchange_api_key: str = dataclasses.field(default="", repr=False)
    exchange_secret_key: str = dataclasses.field(default="", repr=False)
    exchange_options: str = ""
    namespace: str = ""
    site_port: int = 0

    @property
    def brokers(self) -> list[str]:
        """Where Kafka is; the supervisor and the command line have filled it in when the broker is ours."""
        if not self.kafka_bootstrap:
            raise SettingsError("KAFKA_BOOTSTRAP is not set, and this process has no broker of its own.")
        return [address.strip() for address in self.kafka_bootstrap.split(",")]

    def environ(self) -> dict[str, str]:
        """The variables that give another process the same home folder, servers and name space."""
        told: dict[str, object] = {
            "TIDEMARK_HOME": self.home, "TIDEMARK_NAMESPACE": self.namespace,
            "POSTGRES_HOST": self.postgres_host, "POSTGRES_PORT": self.postgres_port,
            "POSTGRES_USER": self.postgres_user, "POSTGRES_PASSWORD": self.postgres_password,
            "POSTGRES_DB": self.postgres_db, "REDIS_HOST": self.redis_host, "REDIS_PORT": self.redis_port,
            "REDIS_PASSWORD": self.redis_password, "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "KAFKA_PARTITIONS": self.kafka_partitions,
        }  # fmt: skip
        return {name: str(value) for name, value in told.items() if value is not None}

    def topic(self, name: str) -> str:
        """The topic's name on the broker."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def group(self, name: str) -> str:
        """The consumer group's name on the broker."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def redis_key(self, name: str) -> str:
        """The key's or channel's name in Redis."""
        return f"{self.namespace}:{name}" if self.namespace else name

    @property
    def postgres_schema(self) -> str:
        return self.namespace or "public"


def _boolean(name: str, text: str) -> bool:
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off" | "":
            return False
    raise SettingsError(f"{name} is {text!r}: write true or false.")


def _integer(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise SettingsError(f"{name} is {text!r}: write a whole number from {low} to {high}.")
    return int(text)


def _choice(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise SettingsError(f"{name} is {text!r}: write one of {', '.join(allowed)}.")
    return text


def _addresses(name: str, text: str | None) -> str | None:
    if text is None or re.fullmatch(r"\s*[^\s,:]+:[0-9]{1,5}\s*(,\s*[^\s,:]+:[0-9]{1,5}\s*)*", text):
        return text
    raise SettingsError(f"{name} is {text!r}: write host:port, or several with commas between.")


def _listing(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _namespace(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}|", text):
        raise SettingsError(f"TIDEMARK_NAMESPACE is {text!r}: write lower-case letters, digits and _, a letter first.")
    return text


def default_home(environ: Mapping[str, str]) -> Path:
    """The platform's folder for a user's data."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "tidemark"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "tidemark"


def read_config(path: Path) -> dict[str, str]:
    """The `NAME = value` lines of a file, without quotes; blank lines and lines that begin with # do not count."""
    if not path.exists():
        return {}
    values = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name.strip()):
            raise SettingsError(f"{path}, line {number}: {text!r} is not of the form NAME=value.")
        value = value.strip()
        values[name.strip()] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    return values


def load(environ: Mapping[str, str] | None = None, config_file: Path | None = None) -> Settings:
    """Reads the environment and the file; raises SettingsError with a sentence."""
    environ = os.environ if environ is None else environ
    file = config_file or Path(environ.get("TIDEMARK_CONFIG") or PROJECT_ROOT / "config.env")
    values = {**read_config(file), **{k: v for k, v in environ.items() if v != ""}}
    get = values.get
    home = Path(get("TIDEMARK_HOME") or default_home(environ)).expanduser()
    settings = Settings(
        home=home if home.is_absolute() else Path.cwd() / home,
        port=_integer("TIDEMARK_PORT", get("TIDEMARK_PORT", "8000"), 1, 65535),
        bind=get("TIDEMARK_BIND", "127.0.0.1"),
        sandbox=_boolean("TIDEMARK_SANDBOX", get("TIDEMARK_SANDBOX", "true")),
        debug=_boolean("DEBUG", get("DEBUG", "false")),
        loglevel=_choice("LOGLEVEL", get("LOGLEVEL", "info").upper(), ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=_choice("LOG_FORMAT", get("LOG_FORMAT", "text"), ("text", "json")),
        allowed_hosts=_listing(get("ALLOWED_HOSTS", "127.0.0.1,localhost,::1")),
        cors_origins=_listing(get("CORS_ORIGINS", "")),
        secret_key=get("SECRET_KEY", ""),
        jwt_secret_key=get("JWT_SECRET_KEY", ""),
        postgres_host=get("POSTGRES_HOST"),
        postgres_port=_integer("POSTGRES_PORT", get("POSTGRES_PORT", "5432"), 1, 65535),
        postgres_db=get("POSTGRES_DB", "tidemark"),
        postgres_user=get("POSTGRES_USER", "tidemark"),
        postgres_password=get("POSTGRES_PASSWORD", ""),
        redis_host=get("REDIS_HOST"),
        redis_port=_integer("REDIS_PORT", get("REDIS_PORT", "6379"), 1, 65535),
        redis_password=get("REDIS_PASSWORD", ""),
        kafka_bootstrap=_addresses("KAFKA_BOOTSTRAP", get("KAFKA_BOOTSTRAP")),
        kafka_partitions=_integer("KAFKA_PARTITIONS", get("KAFKA_PARTITIONS", "8"), 1, 1024),
        kafka_replication=_integer("KAFKA_REPLICATION", get("KAFKA_REPLICATION", "1"), 1, 7),
        journal_flush=_boolean("JOURNAL_FLUSH", get("JOURNAL_FLUSH", "true")),
        order_wait_ms=_integer("ORDER_WAIT_MS", get("ORDER_WAIT_MS", "2000"), 0, 60_000),
        max_open_orders=_integer("MAX_OPEN_ORDERS", get("MAX_OPEN_ORDERS", "10000"), 1, 1_000_000),
        collar_bps=_integer("COLLAR_BPS", get("COLLAR_BPS", "500"), 0, 9999),
        prove_every_s=_integer("PROVE_EVERY_S", get("PROVE_EVERY_S", "600"), 0, 1_000_000),
        exchange=get("EXCHANGE", "simulated"),
        exchange_url=get("EXCHANGE_URL") or None,
        exchange_api_key=get("EXCHANGE_API_KEY", ""),
        exchange_secret_key=get("EXCHANGE_SECRET_KEY", ""),
        exchange_options=get("TIDEMARK_EXCHANGE_OPTIONS", ""),
        namespace=_namespace(get("TIDEMARK_NAMESPACE", "")),
        site_port=_integer("TIDEMARK_SITE_PORT", get("TIDEMARK_SITE_PORT", "0"), 0, 65535),
    )
    _refuse_default_secrets(settings)
    return settings


def _refuse_default_secrets(settings: Settings) -> None:
    """Outside the sandbox nothing starts with a known secret; inside it, the home folder keeps random ones."""
    if settings.sandbox:
        return
    for name in SECRETS:
        if getattr(settings, name.lower()).lower() in PLACEHOLDERS:
            raise SettingsError(f"{name} is not set: outside the sandbox, give it a random value of at least 32 bytes.")
