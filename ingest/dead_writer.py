"""Writing about dead letters: a producer of one call's own.

The API's producer is made for events at the door: a dispatch put back is larger than what it takes, and a claim's offset, which
tells how far to read on, it does not say. A call like this is rare, and a producer is made in some hundredths of a second.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.goodbye import let_go
from streams.redrive import Restored
from streams.settings import Settings
from streams.topics import HEADER_BYTES, MAX_DISPATCH_BYTES

BATCH_BYTES = 256 * 1024
"""Records gathered per partition while the ones before are on their way."""
WRITE_SECONDS = 15.0
"""How long the acks of one call may take: ten thousand records on a busy machine, and shorter than a claim holds."""


class DeadWriter:
    """An async context manager. Every method raises Unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = AIOKafkaProducer(
            **settings.kafka_client(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_DISPATCH_BYTES + HEADER_BYTES,
            request_timeout_ms=int(settings.kafka_timeout_seconds * 1000),
        )

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await let_go(self._producer)
            raise _unavailable(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await let_go(self._producer)

    async def write(self, records: Sequence[Restored]) -> list[int]:
        """Write these records, in order within each partition, and wait for all acks (`acks=all`); their offsets."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                sent = [
                    await self._producer.send(
                        record.topic.full_name(self._settings),
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=record.headers,
                    )
                    for record in records
                ]
                return [metadata.offset for metadata in await asyncio.gather(*sent)]
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        f"Kafka did not acknowledge ({error!r}); what was not done is open again in a minute; look, and try again"
    )
