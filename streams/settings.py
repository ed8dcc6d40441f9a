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
    workspace_max_depth: int = Field(10, ge=1)
    """How deep a cascade may go unless the workspace's row says otherwise: agents that hand on to each other on purpose stay
    well below it, and what feeds itself is stopped after ten runs instead of never."""
    workspace_max_queue: int = Field(10_000, ge=0)
    """Firings of one trigger that may wait unless the workspace's row says otherwise: at a minute each, a week's work for one
    slot, and 10 MB with events of 1 KB. What is still more is told at once that nobody will come to it."""
    public_url: str = "http://127.0.0.1:8700"
    """Where hubs reach this installation: the start of every `callback_url`."""
    heartbeat_seconds: float = 1.0
    """How often each process says that it works; three missed make it count as gone."""
    kafka_timeout_seconds: float = 5.0
    """How long an accept waits for the broker's ack before it answers 503: a leader election fits, a client still waits."""
    hub_timeout_seconds: float = 30.0
    """How long one inject may take before it counts as failed and is tried again."""
    hub_connect_timeout_seconds: float = 5.0
    """How long a connection to a hub may take: the other side of the world needs less than one, TLS included."""
    hub_concurrency: int = Field(32, ge=1)
    """Injects of one worker under way at once at one hub, each on a connection of its own: at 10 ms an answer that is 3,200/s,
    and no more connections than any HTTP server takes from one client."""
    hub_attempts: int = Field(12, ge=1)
    """Injects tried before a dispatch goes to the dead-letter topic: with the back-off below, about two minutes."""
    hub_patience_seconds: float = Field(120.0, gt=0)
    """How long a hub may give no answer at all before what has waited for it all that time goes to the dead-letter topic, tried
    or not: as long as the attempts above take."""
    hub_request_mib: int = Field(4, ge=1)
    """Largest inject a hub is sent, in MiB: an event of 1 MiB is in it twice, as the event and as a seed part."""
    hub_waiting_max: int = Field(20_000, ge=1)
    """Dispatches a worker holds that are not over, about 1 KiB each beside their bytes; with so many it reads no further, what
    was already fetched aside. A hub that is away may be sent 160/s for all its patience before that is felt elsewhere."""
    hub_waiting_mib: int = Field(128, ge=1)
    """Bytes of those dispatches at which it reads no further either, in MiB: 6 KiB each."""
    hub_backoff_seconds: float = 0.25
    """First back-off after a failed inject; it doubles, with full jitter, up to `hub_backoff_cap_seconds`."""
    hub_backoff_cap_seconds: float = 60.0
    """Longest back-off between two injects."""
    seen_hours: float = 24.0
    """How long the gate remembers an execution id, and so how late a repeated event may come and still not fire twice."""
    executions_kept_days: float = Field(35.0, gt=0)
    """How long the row of a finished execution is kept. Longer than the 30 days of the topics `executions` and `dead`: whatever
    is read again or redriven finds its row."""
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
