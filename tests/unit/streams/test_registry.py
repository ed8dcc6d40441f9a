"""The registry: rows come, change and go, and the index and the watches follow."""

from typing import Any

from streams.event import Event
from streams.registry import Registry
from streams.topics import HUBS, TRIGGERS, WORKSPACES
from streams.trigger import Trigger
from streams.workspace import Workspace
from tests.unit.streams.filters import trigger


class Followed:
    """A registry that is told of changes as `Rows` tells them."""

    def __init__(self) -> None:
        self.registry = Registry()
        self._rows: dict[str, Trigger] = {}

    def set(self, key: str, row: Trigger | None) -> None:
        """A row is written, or deleted."""
        before = self._rows.pop(key, None)
        if row is not None:
            self._rows[key] = row
        self.registry.apply(TRIGGERS.name, key, before, row)

    def matched(self, payload: Any) -> list[str]:
        """Who matches a goal."""
        return sorted(self.registry.index.matches(Event("feed", "goal", payload)))


def test_a_row_is_live_as_it_is_now() -> None:
    """Changed, disabled, enabled, made invalid, mended, deleted: the last word holds."""
    rows = Followed()
    rows.set("t1", trigger("t1", match_filter={"x": 1}))
    assert rows.matched({"x": 1}) == ["t1"]
    rows.set("t1", trigger("t1", match_filter={"x": 2}))
    assert (rows.matched({"x": 1}), rows.matched({"x": 2})) == ([], ["t1"])
    rows.set("t1", trigger("t1", match_filter={"x": 2}, enabled=False))
    assert rows.matched({"x": 2}) == []
    rows.set("t1", trigger("t1", match_filter={"x": 3}))
    rows.set("t1", trigger("t1", match_filter={"x": {"near": 3}}))
    assert rows.matched({"x": 3}) == []
    rows.set("t1", trigger("t1", match_filter={"x": 4}))
    assert rows.matched({"x": 4}) == ["t1"]
    rows.set("t1", None)
    rows.set("t1", None)
    assert rows.matched({"x": 4}) == []


def test_an_invalid_row_never_stops_its_neighbours() -> None:
    """What nobody understands is left out; the others are live."""
    rows = Followed()
    rows.set("t1", trigger("t1", match_filter={"x": {"near": 1}}))
    rows.set("t2", trigger("t2", match_filter={"x": 1}))
    rows.set("t3", trigger("t3", match_filter={"x": 1}, count_threshold=5))
    assert rows.matched({"x": 1}) == ["t2"]


def test_the_last_trigger_of_a_watch_takes_it_along() -> None:
    """Two who ask the same share one watch; nobody watches when both are gone."""
    rows = Followed()
    asked = {"symbol": "AAPL", "price": {"gte": 100}}
    for key in ("t1", "t2"):
        rows.set(key, trigger(key, "stocks:price_cross_above", match_filter=asked))
    assert len(rows.registry.watches) == 1
    rows.set("t1", None)
    assert len(rows.registry.watches) == 1
    rows.set("t2", trigger("t2", match_filter=asked))
    assert len(rows.registry.watches) == 0


def test_condition_forms_go_as_they_came() -> None:
    """A row written as `{"severity": ">= high"}` is replaced and removed like any other."""
    rows = Followed()
    rows.set("t1", trigger("t1", match_filter={"severity": ">= high"}))
    assert rows.matched({"severity": "critical"}) == ["t1"]
    rows.set("t1", trigger("t1", match_filter={"severity": "low"}))
    assert (rows.matched({"severity": "critical"}), rows.matched({"severity": "low"})) == ([], ["t1"])


def test_only_triggers_concern_it() -> None:
    """Hubs and sources are other tables."""
    registry = Registry()
    registry.apply(HUBS.name, "h", None, object())
    assert len(registry.watches) == 0


def test_a_workspace_that_changes_its_scale_changes_what_rows_in_words_mean() -> None:
    """SQL wrote "at least high"; the workspace then says what is above high; later the row goes as cleanly as it came."""
    rows = Followed()
    rows.set("t1", trigger("t1", match_filter={"severity": ">= high"}))
    assert rows.matched({"severity": "critical"}) == ["t1"]
    registry = rows.registry
    registry.apply(WORKSPACES.name, "default", None, Workspace("default", scales={"severity": ["calm", "high", "panic"]}))
    assert (rows.matched({"severity": "critical"}), rows.matched({"severity": "panic"})) == ([], ["t1"])
    registry.apply(WORKSPACES.name, "other", None, Workspace("other", scales={"severity": ["high"]}))
    rows.set("t1", None)
    assert rows.matched({"severity": "panic"}) == []
