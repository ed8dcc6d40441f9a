"""Which hub takes a dispatch."""

from streams.delivery.fallback import choose_hub
from streams.trigger import Hub

HUBS = {name: Hub(name, "http://h") for name in ("a", "b", "c")}
KEYS = [f"gone/desk-{number}".encode() for number in range(300)]


def chosen(hubs: dict[str, Hub], key: bytes) -> str:
    """The hub that takes over."""
    hub = choose_hub(hubs, "gone", key, fallback=True)
    assert hub is not None
    return hub.hub_id


def test_a_registered_hub_is_the_one_that_was_asked_for() -> None:
    """With fallback or without."""
    assert choose_hub(HUBS, "b", b"b/desk", fallback=False) is HUBS["b"]
    assert choose_hub(HUBS, "b", b"b/desk", fallback=True) is HUBS["b"]


def test_one_that_is_gone_is_replaced_only_where_that_is_asked_for() -> None:
    """And only if there is another."""
    assert choose_hub(HUBS, "gone", b"gone/desk", fallback=False) is None
    assert choose_hub({}, "gone", b"gone/desk", fallback=True) is None


def test_an_instance_stays_with_its_hub_while_others_come_and_go() -> None:
    """Instances are spread; when a hub goes only its own move, in whichever order the rows came."""
    before = {key: chosen(HUBS, key) for key in KEYS}
    assert all(list(before.values()).count(name) > 60 for name in HUBS)
    assert before == {key: chosen(dict(reversed(HUBS.items())), key) for key in KEYS}
    after = {key: chosen({name: HUBS[name] for name in "ab"}, key) for key in KEYS}
    assert all(after[key] == name for key, name in before.items() if name != "c")
