"""The feed: the same for the same seed, and every key in one order."""

from collections import defaultdict

import msgspec

from streams.topics import partition_of
from touchline.torture.doors import chosen_partition
from touchline.torture.feed import HTTP, POISON, STRAY_KEYS, Fact, plan_feed

SECONDS = 120


def by_key(facts: list[Fact]) -> dict[str, list[Fact]]:
    """The facts of each key, in the order they are planned."""
    found = defaultdict(list)
    for fact in facts:
        found[fact.key].append(fact)
    return found


def test_the_same_seed_gives_the_same_facts() -> None:
    """Ids included."""
    assert plan_feed(5, SECONDS) == plan_feed(5, SECONDS)
    assert plan_feed(5, SECONDS) != plan_feed(6, SECONDS)


def test_every_key_has_one_door_and_one_order() -> None:
    """Sequences count from 1 without a gap, in the order of time, and ids are unique."""
    facts = plan_feed(1, SECONDS)
    for key, told in by_key(facts).items():
        assert [fact.sequence for fact in told] == list(range(1, len(told) + 1)), key
        assert len({fact.door for fact in told}) == 1
    assert len({fact.id for fact in facts}) == len(facts)


def test_half_of_the_feed_takes_each_door() -> None:
    """Give or take a tenth."""
    facts = plan_feed(1, SECONDS)
    share = sum(fact.door == HTTP for fact in facts) / len(facts)
    assert 0.4 < share < 0.6


def test_stray_keys_do_lie_in_a_foreign_partition() -> None:
    """By the other partitioner's choice; with eight partitions most keys do."""
    assert sum(chosen_partition(key, 8) != partition_of(key.encode(), 8) for key in STRAY_KEYS) >= len(STRAY_KEYS) - 2
    assert chosen_partition("line-0", 8) == partition_of(b"line-0", 8)


def test_on_the_wire_a_fact_is_a_plain_event_and_poison_is_none() -> None:
    """What any feed would send."""
    facts = plan_feed(1, SECONDS)
    plain = next(fact for fact in facts if fact.subject)
    assert msgspec.json.decode(plain.wire) == {
        "id": plain.id,
        "source": plain.source,
        "type": plain.type,
        "payload": plain.payload,
        "subject": plain.subject,
    }
    poison = next(fact for fact in facts if fact.source == POISON)
    assert poison.id.encode() in poison.wire
    assert poison.wire.startswith(b"\xff")
