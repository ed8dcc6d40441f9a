"""What a fetch brings is parsed while it is judged: whatever a record batch is like, and whatever comes of that."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.engine.batch import PORTION_RECORDS
from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.engine.conftest import Broker
from tests.integration.engine.process import ToyProcess
from tests.integration.engine.toy import POISON, Toy
from tests.waiting import eventually

RECORDS = 3 * PORTION_RECORDS + 7


async def test_a_commit_in_the_middle_of_a_compressed_record_batch_is_gone_on_from(settings: Settings, broker: Broker) -> None:
    """The broker sends the whole record batch again; what lies before the commit is not judged again."""
    place = TopicPartition(EVENTS.full_name(settings), 0)
    async with AIOKafkaProducer(**settings.kafka_client(), compression_type="gzip") as producer:
        record_batch = producer.create_batch()
        for number in range(RECORDS):
            record_batch.append(timestamp=None, key=b"%d" % number, value=b"{}")
        await (await producer.send_batch(record_batch, place.topic, partition=0))
    async with AIOKafkaConsumer(**settings.kafka_client(), group_id=settings.group, enable_auto_commit=False) as consumer:
        consumer.assign([place])
        await consumer.commit({place: PORTION_RECORDS + 1})
    toy = Toy(settings)
    await toy.start()
    await eventually(broker.all_committed, what="the commits reach the ends")
    states = toy.states()
    await toy.stop()
    assert toy.counts["read"] == RECORDS - PORTION_RECORDS - 1
    assert set(states) == {b"%d" % number for number in range(PORTION_RECORDS + 1, RECORDS)}


async def test_a_stage_that_fails_at_a_record_stops_its_process(settings: Settings, broker: Broker) -> None:
    """It never goes on past a hole: nothing behind the batch that failed is judged, and nothing of it committed."""
    topic = EVENTS.full_name(settings)
    async with ToyProcess(settings) as process, AIOKafkaProducer(**settings.kafka_client()) as producer:
        await process.ready()
        await producer.send_and_wait(topic, b"{}", partition=0)
        await eventually(broker.all_committed, what="it is at work")
        await producer.send_and_wait(topic, POISON, partition=0)
        assert await process.ended() == 70
    assert (await broker.committed())[0] == 1
