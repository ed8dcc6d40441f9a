"""The embedded Kafka and Postgres as the supervisor sees them: processes it can ask whether they still run."""

from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.postgres import EmbeddedPostgres


class Broker(EmbeddedKafka):
    """The embedded Kafka, watched."""

    def poll(self) -> int | None:
        """The broker's exit code, None while it runs."""
        return self._process.poll() if self._process is not None else 0


class Database(EmbeddedPostgres):
    """The embedded Postgres, watched."""

    def poll(self) -> int | None:
        """The server's exit code, None while it runs."""
        return self._process.poll() if self._process is not None else 0
