"""State comes back: from the changelog, from the disk and what is missing on it, in every shape a changelog can have."""

import uuid
from contextlib import suppress

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError

from connectors.kafka.topics import create_topics
from streams.settings import Settings
from tests.integration.engine.compaction import compacted, compacting
from tests.integration.engine.conftest import Broker, Feed
from tests.integration.engine.process import ToyProcess
from tests.integration.engine.toy import Tally, Toy, encode
from tests.waiting import eventually


def changelog(settings: Settings) -> str:
    """The toy's changelog topic."""
    return f"{settings.group}-edges-changelog"


async def recovered(settings: Settings) -> tuple[dict[bytes, Tally], Toy]:
    """What a worker that starts anew holds when it is ready, and the worker, stopped."""
    toy = Toy(settings)
    await toy.start()
    await eventually(lambda: toy.partitions, 60, "the worker is ready")
    states = toy.states()
    await toy.stop()
    return states, toy


async def test_an_empty_changelog_recovers(stored: Settings, feed: Feed, broker: Broker) -> None:
    """The very first worker is ready at once, and works."""
    toy = Toy(stored)
    await toy.start()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    await feed.write(200)
    await eventually(broker.all_committed, what="everything is committed")
    await toy.stop()
    await broker.check_answers()


async def test_a_compacted_changelog_with_tombstones_recovers(
    stored: Settings, broker: Broker, admin: AIOKafkaAdminClient
) -> None:
    """What is left of a changelog gives each key its last state, and none to those that were forgotten."""
    await compacting(admin, changelog(stored))
    async with AIOKafkaProducer(**stored.kafka_client()) as producer:
        for number in range(400):
            key, partition = b"key-%d" % (number % 20), number % 4
            gone = number >= 380 and number % 20 < 8
            value = None if gone else encode(Tally(number, number))
            await producer.send_and_wait(changelog(stored), value, key=key, partition=partition)
        left = await compacted(broker, producer, changelog(stored), at_most=60)
    states, toy = await recovered(stored)
    states.pop(b"roll", None)
    assert states == {b"key-%d" % key: Tally(380 + key, 380 + key) for key in range(8, 20)}
    assert sum(toy.restored.values()) <= len(left)


async def test_a_changelog_that_ends_in_what_was_aborted_recovers(stored: Settings) -> None:
    """No record lies at the changelog's last offset, and nobody waits for one; once with states, once without any."""
    producer = AIOKafkaProducer(**stored.kafka_client(), transactional_id=uuid.uuid4().hex)
    await producer.start()
    async with AIOKafkaProducer(**stored.kafka_client()) as plain:
        await plain.send_and_wait(changelog(stored), encode(Tally(7, 3)), key=b"key", partition=0)
    await producer.begin_transaction()
    for partition in (0, 1):
        await producer.send(changelog(stored), encode(Tally(8, 4)), key=b"key", partition=partition)
    await producer.abort_transaction()
    await producer.stop()
    states, _ = await recovered(stored)
    assert states == {b"key": Tally(7, 3)}


async def test_a_zombies_late_state_loses_against_the_newer_one(stored: Settings) -> None:
    """Of two states of a key the one of the larger input offset counts, wherever in the changelog it lies."""
    async with AIOKafkaProducer(**stored.kafka_client()) as producer:
        for offset, count in ((10, 1), (50, 5), (30, 3)):
            await producer.send_and_wait(changelog(stored), encode(Tally(offset, count)), key=b"key", partition=2)
        states, _ = await recovered(stored)
        assert states == {b"key": Tally(50, 5)}
        await producer.send_and_wait(changelog(stored), encode(Tally(40, 4)), key=b"key", partition=2)
    states, _ = await recovered(stored)
    assert states == {b"key": Tally(50, 5)}


async def test_a_state_nobody_can_read_costs_its_key_and_no_other(stored: Settings) -> None:
    """A foreign record on the changelog is passed over."""
    async with AIOKafkaProducer(**stored.kafka_client()) as producer:
        for key, value in ((b"good", encode(Tally(1, 1))), (b"bad", b"{"), (b"better", encode(Tally(2, 1)))):
            await producer.send_and_wait(changelog(stored), value, key=key, partition=0)
    states, _ = await recovered(stored)
    assert states == {b"good": Tally(1, 1), b"better": Tally(2, 1)}


async def test_a_restart_with_a_disk_reads_only_what_was_written_since(settings: Settings, feed: Feed, broker: Broker) -> None:
    """The disk says how much of the changelog it holds, and a recovery begins there."""
    stored = settings.model_copy(update={"store": "rocksdb"})
    async with ToyProcess(stored) as process:
        await process.ready()
        await feed.write(4_000)
        await eventually(broker.all_committed, what="everything is committed")
        await process.stop()
    async with AIOKafkaProducer(**stored.kafka_client()) as producer:
        await producer.send_and_wait(changelog(stored), encode(Tally(10**6, 99)), key=b"elsewhere", partition=1)
    async with ToyProcess(stored) as process:
        said = await process.ready()
        assert said.held == 50 * 2 + 1  # of 50 keys a partition the feed uses every second one
        assert sum(said.restored.values()) <= 1 + 4  # recovery reads the last one held again
        await feed.write(4_000)
        await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()


async def test_a_store_of_a_changelog_that_is_gone_is_thrown_away(
    settings: Settings, feed: Feed, broker: Broker, admin: AIOKafkaAdminClient
) -> None:
    """Topics made anew begin at 0; what a disk holds of the old ones says nothing about them."""
    stored = settings.model_copy(update={"store": "rocksdb"})
    async with ToyProcess(stored) as process:
        await process.ready()
        await feed.write(400)
        await eventually(broker.all_committed, what="everything is committed")
        await process.stop()
    await admin.delete_topics([changelog(stored)])
    await create_topics(stored)
    async with ToyProcess(stored) as process:
        said = await process.ready()
    assert (said.held, said.restored) == (0, {})


async def test_a_changelog_whose_beginning_was_deleted_recovers(stored: Settings, admin: AIOKafkaAdminClient) -> None:
    """Recovery begins where the changelog does."""
    deleting = {"cleanup.policy": "compact,delete"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, changelog(stored), deleting)])
    async with AIOKafkaProducer(**stored.kafka_client()) as producer:
        for number in range(10):
            await producer.send_and_wait(changelog(stored), encode(Tally(number, 1)), key=b"%d" % number, partition=3)

    async def is_deleted() -> bool:
        with suppress(PolicyViolationError):  # the broker learns of the policy after its controller has answered
            await admin.delete_records({TopicPartition(changelog(stored), 3): RecordsToDelete(5)})
            return True
        return False

    await eventually(is_deleted, what="the beginning is deleted")
    states, _ = await recovered(stored)
    assert states == {b"%d" % number: Tally(number, 1) for number in range(5, 10)}


async def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(stored: Settings, feed: Feed, broker: Broker) -> None:
    """Whatever a kill -9 leaves in memory, on disk, in the changelog and in the commits fits together."""
    for records in (8_000, 9_000):
        async with ToyProcess(stored) as process:
            await process.ready()
            await feed.write(records)
            await eventually(broker.has_answers, what="it is at work")
            process.kill()
    async with ToyProcess(stored) as process:
        await process.ready()
        await eventually(broker.all_committed, 60, what="everything is committed")
    await broker.check_answers()
