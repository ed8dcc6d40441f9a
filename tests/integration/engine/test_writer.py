"""What the writer knows of where its records went."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.engine.writer import Outputs, Writer, Written
from streams.settings import Settings
from streams.topics import CROSSINGS
from tests.integration.engine.conftest import Broker


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[Writer]:
    """A writer."""
    writer = Writer(settings)
    await writer.start()
    yield writer
    await writer.stop()


async def test_every_put_is_told_the_offsets_of_its_own_records(settings: Settings, writer: Writer, broker: Broker) -> None:
    """Puts that share a batch, and one that is spread over several."""
    topic = CROSSINGS.full_name(settings)
    sizes = (1, 2, 500, 3, 1)
    futures = []
    for number, size in enumerate(sizes):
        outputs = Outputs()
        for _ in range(size):
            outputs.add(topic, 1, b"%d" % number, bytes(10_000))
        futures += writer.send(outputs)
    written = await asyncio.gather(*futures)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    assert written == [Written(start, start + size - 1) for start, size in zip(starts, sizes, strict=True)]
    records = await broker.records(topic)
    assert [int(record.key) for record in records] == [number for number, size in enumerate(sizes) for _ in range(size)]
