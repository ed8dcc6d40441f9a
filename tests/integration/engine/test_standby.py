"""Other workers follow a partition's state, and take over without reading it again."""

import pytest
from faust.types import TP

from streams.settings import Settings
from tests.integration.engine.conftest import Broker, Feed, StartToy
from tests.integration.engine.toy import Toy
from tests.waiting import eventually


@pytest.fixture
async def pair(stored: Settings, start_toy: StartToy) -> tuple[Toy, Toy]:
    """Two workers, each of which follows the other's partitions."""
    settings = stored.model_copy(update={"standbys": 1})
    first = await start_toy(settings)
    await eventually(lambda: first.partitions, what="the first worker is ready")
    second = await start_toy(settings)
    await eventually(lambda: first.partitions and second.partitions, what="both are ready")
    assert first.partitions | second.partitions == {0, 1, 2, 3}
    return first, second


async def follows(broker: Broker, toy: Toy) -> bool:
    """Whether a worker holds all there is on the changelog, of its own partitions and of those it follows."""
    ends = await broker.changelog_ends()
    return all(toy.table.partition(number).offset == end - 1 for number, end in ends.items())


async def test_a_standby_takes_over_without_reading_the_changelog_again(
    pair: tuple[Toy, Toy], feed: Feed, broker: Broker
) -> None:
    """Of each partition it reads one record once more, the last that it holds; then it goes on where the other stopped."""
    first, second = pair
    await feed.write(8_000)
    await eventually(broker.all_committed, what="everything is committed")
    await eventually(lambda: follows(broker, second), what="the standby has it all")
    assert second.states().keys() == {f"key-{number % 50}-{number % 4}".encode() for number in range(200)}
    before = sum(second.restored.values())
    assert before > 0
    await first.stop()
    await eventually(lambda: second.partitions == {0, 1, 2, 3}, what="the second worker has all partitions")
    assert sum(second.restored.values()) - before <= 4
    await feed.write(8_000)
    await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()


async def test_a_standby_that_missed_a_batch_reads_it_before_what_follows(
    pair: tuple[Toy, Toy], feed: Feed, broker: Broker
) -> None:
    """Faust empties the queues when it resumes; what a standby lost there it sees is missing, and reads."""
    first, second = pair
    for _ in range(5):
        await feed.write(2_000)
        ends = await broker.changelog_ends()
        changelog = second.table.changelog
        await second.app.consumer.seek_wait({TP(changelog, number): ends[number] for number in first.partitions})
        await feed.write(2_000)
    await eventually(broker.all_committed, what="everything is committed")
    await eventually(lambda: follows(broker, second), what="the standby has it all")
    await first.stop()
    await feed.write(2_000)
    await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()


async def test_workers_that_come_and_go_follow_one_another_without_a_hole(
    stored: Settings, start_toy: StartToy, feed: Feed, broker: Broker
) -> None:
    """Roles change under load, from active to standby and back; the state goes with them."""
    settings = stored.model_copy(update={"standbys": 1})
    toys = [await start_toy(settings), await start_toy(settings)]
    for _ in range(3):
        await feed.write(10_000)
        toys.append(await start_toy(settings))
        await feed.write(10_000)
        await eventually(lambda: toys[-1].settled, what="the newcomer has its part")
        await toys.pop(0).stop()
    await feed.write(10_000)
    await eventually(broker.all_committed, 60, what="everything is committed")
    await broker.check_answers()
