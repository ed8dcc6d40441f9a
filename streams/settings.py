"""Settings, read from the environment once per process. Every number carries its unit and a reason for its default."""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One process's settings. `KAFKA_*` and `DATABASE_URL` go by those names; the rest by `TOUCHLINE_` and the field's name."""

    model_config = SettingsConfigDict(env_prefix="TOUCHLINE_", populate_by_name=True, extra="ignore")

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", validation_alias="KAFKA_SASL_MECHANISM"
    )
    kafka_sasl_username: str | None = Field(None, validation_alias="KAFKA_SASL_USERNAME")
    kafka_sasl_password: SecretStr | None = Field(None, validation_alias="KAFKA_SASL_PASSWORD")
    kafka_ssl_cafile: str | None = Field(None, validation_alias="KAFKA_SSL_CAFILE")
    database_url: str = Field("postgresql://postgres@127.0.0.1:5432/postgres", validation_alias="DATABASE_URL")

    topic_prefix: str = ""
    """Put before every topic and consumer group, so that installations (and tests) share a broker without meeting."""
    database_schema: str = "scheduler"
    """The Postgres schema all tables live in."""
    partitions: int = 8
    """Partitions of every stage topic: 8 let a laptop show parallelism; production starts at 64."""
    replication_factor: int = 1
    """Copies of every topic; 3 on a cluster."""
    signing_key: SecretStr = SecretStr("development-only")
    """Signs what only touchline may write (reserved sources). `touchline up` makes one per data directory."""
    authentication: Literal["keys", "none"] = "keys"
    """Whether the API asks for a key. With `none` every caller may do everything, so only on a loopback address."""
    api_key: SecretStr | None = None
    """The key that a producer of this process hands in its events with."""
    workspace_max_triggers: int = 100_000
    """Triggers a workspace may have unless its own row says otherwise: a tenth of what a worker was measured with."""
    public_url: str = "http://127.0.0.1:8700"
    """Where hubs reach this installation: the start of every `callback_url`."""
    heartbeat_seconds: float = 1.0
    """How often each process says that it works; three missed make it count as gone."""
    kafka_timeout_seconds: float = 5.0
    """How long an accept waits for the broker's ack before it answers 503: a leader election fits, a client still waits."""
    hub_timeout_seconds: float = 30.0
    """How long one inject may take before it counts as failed and is tried again."""
    hub_attempts: int = 8
    """Injects tried before a dispatch goes to the dead-letter topic: with the back-off below, about two minutes."""
    hub_backoff_seconds: float = 0.25
    """First back-off after a failed inject; it doubles, with full jitter, up to `hub_backoff_cap_seconds`."""
    hub_backoff_cap_seconds: float = 60.0
    """Longest back-off between two injects."""
    seen_hours: float = 24.0
    """How long the gate remembers an execution id, and so how late a repeated event may come and still not fire twice."""
    store: Literal["memory", "rocksdb"] = "memory"
    """Where a worker keeps its state. Memory judges faster, at about 0.3 KiB a watched value; a disk holds more than memory
    can, and a restart reads only what was written since. Nothing is only there: the changelog has it all."""
    store_directory: Path = Path(".touchline/store")
    """Where `store=rocksdb` puts its files; each worker of a machine takes a numbered directory of its own in it."""
    store_memory_mib: int = 256
    """Memory of a worker's databases, blocks read and writes gathered, in MiB: a few million keys' hot part."""
    store_recent_keys: int = 200_000
    """States a table on disk keeps decoded, of all its partitions: those of busy values, at about 0.3 KiB each."""
    standbys: int = 0
    """Other workers that follow each partition's state, to take over at once. Each costs its memory and its reading once
    more, while a restart without one takes seconds for a million values; 1 where those seconds count."""
    log_format: Literal["json", "console"] = "console"

    @property
    def group(self) -> str:
        """The workers' consumer group; also Faust's app id, the start of its changelog topics' names."""
        return f"{self.topic_prefix}touchline"

    def kafka_client(self) -> dict[str, Any]:
        """Keyword arguments every aiokafka client shares: where the broker is, and how to be let in."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "security_protocol": self.kafka_security_protocol,
        }
        if "SSL" in self.kafka_security_protocol:
            arguments["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
        if self.kafka_security_protocol.startswith("SASL"):
            password = self.kafka_sasl_password
            arguments |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": password.get_secret_value() if password else None,
            }
        return arguments


@lru_cache(maxsize=1)
def settings() -> Settings:
    """This process's settings, read once."""
    return Settings()
