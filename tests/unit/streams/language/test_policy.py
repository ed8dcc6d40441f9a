"""parse_policy: what a row asks of the gate, as a table."""

from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.language.policy import LARGEST_COUNT, LARGEST_RATE, PLAIN, Policy, Rate, parse_policy, parse_rate
from streams.trigger import Trigger


def policy(**columns: Any) -> Policy:
    """The policy of a row with these columns."""
    return parse_policy(Trigger(id="t", name="t", schedule_expression="feed:goal", agent_id="a", hub_id="h", **columns))


@pytest.mark.parametrize(
    ("columns", "differing"),
    [
        ({}, {}),
        ({"dedup": "allow"}, {}),
        ({"dedup": "skip"}, {"slots": 1}),
        ({"dedup": "queue"}, {"slots": 1, "queues": True}),
        ({"max_concurrent": 3}, {"slots": 3, "queues": True}),
        ({"dedup": "skip", "max_concurrent": 3}, {"slots": 3}),
        ({"dedup": "queue", "max_concurrent": 3}, {"slots": 3, "queues": True}),
        ({"timeout_seconds": 600}, {"timeout_ms": 600_000}),
        ({"timeout_seconds": 0.0001}, {"timeout_ms": 1}),
        ({"timeout_seconds": 1.0005}, {"timeout_ms": 1_000}),
        ({"rate_limit": "10/1m"}, {"rate": Rate(10, 60_000)}),
        ({"count_threshold": 5, "window": "5m"}, {"threshold": Rate(5, 300_000)}),
        ({"debounce": "30s"}, {"debounce_ms": 30_000}),
        ({"dedup": "skip", "per": "payload.game"}, {"slots": 1, "per": ("game",)}),
        ({"debounce": "1d", "per": "payload.game.id"}, {"debounce_ms": 86_400_000, "per": ("game", "id")}),
        ({"rate_limit": "1/1s", "per": "payload.two words"}, {"rate": Rate(1, 1_000), "per": ("two words",)}),
    ],
)
def test_columns_mean_a_policy(columns: dict[str, Any], differing: dict[str, Any]) -> None:
    """What a row does not ask for stays as it is for one that asks for nothing."""
    assert policy(**columns) == PLAIN._replace(**differing)
    assert policy(**columns).is_plain is (not differing)
    assert policy(**columns).holds_slots is bool({"slots", "timeout_ms"} & differing.keys())


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"dedup": "drop"}, "dedup"),
        ({"dedup": None}, "dedup"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"max_concurrent": LARGEST_COUNT + 1}, "max_concurrent"),
        ({"max_concurrent": True}, "max_concurrent"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"timeout_seconds": 10**400}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"rate_limit": 10}, "rate_limit"),
        ({"rate_limit": "10/m"}, "rate_limit"),
        ({"count_threshold": 5}, "count_threshold"),
        ({"window": "5m"}, "window"),
        ({"count_threshold": 0, "window": "5m"}, "count_threshold"),
        ({"count_threshold": 5, "window": "31d"}, "window"),
        ({"debounce": ""}, "debounce"),
        ({"debounce": "25h"}, "debounce"),
        ({"dedup": "skip", "per": "game"}, "per"),
        ({"dedup": "skip", "per": "payload"}, "per"),
        ({"dedup": "skip", "per": "payload."}, "per"),
        ({"dedup": "skip", "per": "payload.a..b"}, "per"),
        ({"dedup": "skip", "per": "payload.a\n"}, "per"),
        ({"dedup": "skip", "per": "payload" + ".a" * 17}, "per"),
        ({"per": "payload.game"}, "per"),
        ({"per": "payload.game", "timeout_seconds": 60}, "per"),
    ],
)
def test_what_means_nothing_is_refused_by_its_column(columns: dict[str, Any], path: str) -> None:
    """With what would be accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        policy(**columns)
    assert refused.value.path == path
    assert len(refused.value.message) > 10


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (None, None),
        ("1/1ms", Rate(1, 1)),
        (f"{LARGEST_RATE}/30d", Rate(LARGEST_RATE, 30 * 86_400_000)),
        ("007/010s", Rate(7, 10_000)),
    ],
)
def test_a_rate_is_a_number_and_a_duration(text: str | None, rate: Rate | None) -> None:
    """At most so many in any such time."""
    assert parse_rate(text, "x") == rate


@pytest.mark.parametrize(
    "text", ["", "5", "/1m", "5/", "0/1m", f"{LARGEST_RATE + 1}/1m", "5/31d", "5/0s", "5 / 1m", "-5/1m", "5/1m\n", 5]
)
def test_what_is_no_rate_is_refused_where_it_stands(text: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(InvalidTrigger) as refused:
        parse_rate(text, "max_firings")
    assert refused.value.path == "max_firings"
