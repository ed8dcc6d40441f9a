"""Make, describe and delete an installation's topics on the broker.

Faust neither makes a missing source topic nor bears a changelog with another partition count than its source's
(DESIGN 3), so all of them, changelogs included, are made here, by a command, before a worker starts.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupIdNotFound,
    KafkaConnectionError,
    NonEmptyGroup,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.offset import OffsetRequest

from streams.errors import ConnectorError, Unavailable
from streams.settings import Settings
from streams.topics import HEADER_BYTES, MAX_DISPATCH_BYTES, MAX_RECORD_BYTES, TOPICS, Topic

TABLES = ("edges", "waiting", "seen", "gates", "parked", "ledger")
"""Faust's tables; each has a changelog topic."""

HOUR_MS = 60 * 60 * 1000
MIN_IN_SYNC = 2
"""Replicas that have a record before it is acknowledged, where there are three: one broker may die with nothing lost, and
nothing waits for its return."""

CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    # A worker that wakes after it lost its partitions may write an old state after a newer one. Recovery keeps the newer
    # by its offset, so the newer must still be there.
    "min.compaction.lag.ms": str(HOUR_MS),
}

LEDGER_CONFIG = CHANGELOG_CONFIG | {
    # A handful of keys that are written all the time, and read whole by whoever asks for the sums. A segment is compacted only
    # after it is closed, so it is a small one.
    "segment.bytes": str(8 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}

LARGE_CONFIG = CHANGELOG_CONFIG | {"max.message.bytes": str(MAX_DISPATCH_BYTES + HEADER_BYTES)}
"""Of states that hold a whole dispatch, or a firing with all that was coalesced into it."""

SERVED_DEADLINE_SECONDS = 30.0
"""How long partitions may take to be served by a leader; new ones on one broker take well under a second."""
POLL_SECONDS = 0.02
LATEST, EARLIEST = -1, -2  # ListOffsets' special timestamps, KIP-79

log = structlog.get_logger()


class TopicDescription(NamedTuple):
    """One topic on the broker. Offsets are summed over partitions: `end_offset - begin_offset` bounds its records."""

    name: str
    partitions: int
    begin_offset: int
    end_offset: int
    cleanup_policy: str


def changelogs(settings: Settings) -> tuple[Topic, ...]:
    """The changelog topics of Faust's tables, under the names Faust gives them, less the installation's prefix."""
    application = settings.group.removeprefix(settings.topic_prefix)
    special = {"ledger": LEDGER_CONFIG, "parked": LARGE_CONFIG, "waiting": LARGE_CONFIG}
    configs = {table: special.get(table, CHANGELOG_CONFIG) for table in TABLES}
    return tuple(Topic(f"{application}-{table}-changelog", config=config) for table, config in configs.items())


async def create_topics(settings: Settings) -> None:
    """Make every topic that is missing, and return when each partition's leader serves it. Existing ones are not changed.

    Raises ConnectorError when one exists with another partition count, or the broker refuses; Unavailable when it does
    not answer.
    """
    wanted = {topic.full_name(settings): topic for topic in (*TOPICS, *changelogs(settings))}
    common = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    if settings.replication_factor > MIN_IN_SYNC:
        common["min.insync.replicas"] = str(MIN_IN_SYNC)
    async with _admin(settings) as admin:
        existing = await _partition_counts(admin, wanted)
        for name, partitions in existing.items():
            if partitions != wanted[name].partitions(settings):
                raise ConnectorError(_other_count(name, partitions, wanted[name].partitions(settings)))
        # All of them are asked for: the controller knows, while this broker may not have heard yet that one was deleted.
        topics = [
            NewTopic(name, topic.partitions(settings), settings.replication_factor, topic_configs=common | topic.config)
            for name, topic in wanted.items()
        ]
        answer: Any = await admin.create_topics(topics)
        _check([result for result in answer.topic_errors if result[0] not in existing], TopicAlreadyExistsError)
        created = sum(not code for _, code, *_ in answer.topic_errors)
        if created:
            log.info("topics_created", topics=created, prefix=settings.topic_prefix)
        await _served_offsets(admin, wanted, LATEST)


async def describe_topics(settings: Settings) -> list[TopicDescription]:
    """This installation's topics that exist, changelogs included, in the order of the flow. Raises Unavailable."""
    names = [topic.full_name(settings) for topic in (*TOPICS, *changelogs(settings))]
    async with _admin(settings) as admin:
        counts = await _partition_counts(admin, names)
        policies = await _cleanup_policies(admin, list(counts))
        begin = await _served_offsets(admin, counts, EARLIEST)
        end = await _served_offsets(admin, counts, LATEST)
    return [TopicDescription(name, counts[name], begin[name], end[name], policies[name]) for name in names if name in counts]


async def delete_topics(settings: Settings) -> None:
    """Delete this installation's topics, whatever Faust made for it, and its consumer group, with all they hold. For tests.

    A group whose members have not left or timed out yet stays; the broker forgets it with its last offset. Raises
    ConnectorError when the broker refuses.
    """
    own = {topic.full_name(settings) for topic in TOPICS}
    async with _admin(settings) as admin:
        existing = await admin.list_topics()
        names = [name for name in existing if name in own or name.startswith(f"{settings.group}-")]
        if names:
            answer: Any = await admin.delete_topics(names)
            _check(answer.topic_error_codes, UnknownTopicOrPartitionError)
        if any(group[0] == settings.group for group in await admin.list_consumer_groups()):
            coordinator = await admin.find_coordinator(settings.group)
            answer = await admin._send_request(DeleteGroupsRequest([settings.group]), coordinator)
            _check(answer.results, GroupIdNotFound, NonEmptyGroup)


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise Unavailable(f"Kafka does not answer at {settings.kafka_bootstrap_servers}: {error}") from error
    finally:
        await admin.close()


async def _described(admin: AIOKafkaAdminClient, names: Iterable[str]) -> list[dict[str, Any]]:
    return [topic for topic in await admin.describe_topics(list(names)) if not topic["error_code"]]


async def _partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    return {topic["topic"]: len(topic["partitions"]) for topic in await _described(admin, names)}


async def _served_offsets(admin: AIOKafkaAdminClient, names: Iterable[str], at: int) -> dict[str, int]:
    """Each topic's offsets at EARLIEST or LATEST, summed over its partitions, as soon as all of them are served.

    Metadata names a leader a moment before the broker acts as one; a producer would be refused until then. Raises
    Unavailable after SERVED_DEADLINE_SECONDS.
    """
    wanted = list(names)
    try:
        async with asyncio.timeout(SERVED_DEADLINE_SECONDS):
            while (offsets := await _offsets(admin, wanted, at)) is None:  # noqa: ASYNC110 -- a broker must be asked
                await asyncio.sleep(POLL_SECONDS)
            return offsets
    except TimeoutError:
        raise Unavailable(f"topics have no leaders after {SERVED_DEADLINE_SECONDS:.0f} s; is every broker up?") from None


async def _offsets(admin: AIOKafkaAdminClient, names: list[str], at: int) -> dict[str, int] | None:
    """The sums of `_served_offsets` now; None while a topic or a leader is missing."""
    topics = await _described(admin, names)
    asked: dict[int, dict[str, list[tuple[int, int]]]] = {}
    for topic in topics:
        for part in topic["partitions"]:
            asked.setdefault(part["leader"], {}).setdefault(topic["topic"], []).append((part["partition"], at))
    if len(topics) < len(names) or -1 in asked:
        return None
    sums = dict.fromkeys(names, 0)
    for leader, partitions in asked.items():
        # For this, as for deleting a group, the admin client has the request, and no method for it.
        answer: Any = await admin._send_request(OffsetRequest(-1, 0, list(partitions.items())), leader)
        for name, offsets in answer.topics:
            if any(error for _, error, *_ in offsets):
                return None
            sums[name] += sum(offset for _, _, _, offset, *_ in offsets)
    return sums


async def _cleanup_policies(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, str]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": ""}) for name in names]
    answers: list[Any] = await admin.describe_configs(asked)
    found = (resource for answer in answers for resource in answer.resources)
    return {resource[3]: resource[4][0][1] for resource in found}


def _check(results: Iterable[tuple[Any, ...]], *harmless: type[Exception]) -> None:
    """Raise ConnectorError for the first result, (name, error code, ...), that is neither good nor harmless."""
    for name, code, *more in results:
        if code and not issubclass(error := for_code(code), harmless):
            raise ConnectorError(f"the broker refused {name}: {next(iter(more), None) or error.description}")


def _other_count(name: str, partitions: int, wanted: int) -> str:
    return (
        f"topic {name} has {partitions} partitions, and {wanted} are asked for. "
        f"Set TOUCHLINE_PARTITIONS={partitions} to go on as before, or choose another TOUCHLINE_TOPIC_PREFIX to begin anew"
    )
