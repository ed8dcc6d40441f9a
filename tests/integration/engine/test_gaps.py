"""Offsets without a record: what was aborted, transactions' markers, and what compaction took."""

import uuid

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.engine.compaction import compacted, compacting
from tests.integration.engine.conftest import Broker, Feed
from tests.integration.engine.toy import Toy
from tests.waiting import eventually


async def transaction(producer: AIOKafkaProducer, topic: str, records: int, *, abort: bool) -> None:
    """One transaction over all partitions, committed or aborted."""
    await producer.begin_transaction()
    for number in range(records):
        await producer.send(topic, b"{}", key=b"key", partition=number % 4)
    await producer.flush()
    await (producer.abort_transaction() if abort else producer.commit_transaction())


async def test_aborted_transactions_stall_no_commit_and_are_never_judged(
    settings: Settings, feed: Feed, broker: Broker
) -> None:
    """Commits reach the end of a topic whose middle and whose very end was aborted."""
    toy = Toy(settings)
    await toy.start()
    topic = EVENTS.full_name(settings)
    producer = AIOKafkaProducer(**settings.kafka_client(), transactional_id=uuid.uuid4().hex)
    await producer.start()
    for abort in (False, True, False, True, True):
        await transaction(producer, topic, 400, abort=abort)
        await feed.write(400)
    await transaction(producer, topic, 400, abort=True)
    await eventually(broker.all_committed, what="the commits reach the ends")
    await transaction(producer, topic, 400, abort=True)  # a batch of nothing else
    await eventually(broker.all_committed, what="the commits reach the ends again")
    await producer.stop()
    await toy.stop()
    assert toy.counts["read"] == 2 * 400 + 5 * 400


async def test_a_compacted_source_stalls_no_commit(settings: Settings, broker: Broker, admin: AIOKafkaAdminClient) -> None:
    """Of a source whose records are mostly gone, what is left is judged and all of it committed."""
    topic = EVENTS.full_name(settings)
    await compacting(admin, topic)
    async with AIOKafkaProducer(**settings.kafka_client()) as producer:
        for number in range(400):
            await producer.send_and_wait(topic, b"%d" % number, key=b"key", partition=number % 4)
        left = await compacted(broker, producer, topic, at_most=40)
    toy = Toy(settings)
    await toy.start()
    await eventually(broker.all_committed, what="the commits reach the ends")
    await toy.stop()
    assert 0 < toy.counts["read"] <= len(left)  # compaction goes on meanwhile
