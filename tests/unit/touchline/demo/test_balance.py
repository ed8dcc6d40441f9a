"""What the demo counts, and when it says that the sums balance."""

from datetime import UTC, datetime

from streams.event import Event, encode_event
from streams.execution import Execution, Firing, Status, encode
from streams.topics import CROSSINGS, EVENTS, EXECUTIONS, FIRINGS
from touchline.demo.balance import Truth, balance
from touchline.demo.registration import Registered, trigger_rows, watch_id
from touchline.demo.tally import Tally
from touchline.demo.view import Moment, goal_text, plain_line

TRIGGERS = Registered("every", "team", "price", "watch-1")
TRUTH = Truth(goals=3, team_goals=1, closes=2, crossings=1)
SCORE = {"home_team": "Mexico", "away_team": "South Africa", "score": {"home": 1, "away": 0}}


def whole_run() -> tuple[Tally, dict[str, int]]:
    """A run in which everything happened, every record written twice as after a kill."""
    tally = Tally("watch-1")
    for _ in range(2):
        for number in range(3):
            goal = Event("sports_feed", "goal", SCORE, f"goal-{number}")
            tally.count(EVENTS, encode_event(goal))
            fire(tally, "every", goal)
        fire(tally, "team", goal)
        for number in range(2):
            tally.count(EVENTS, encode_event(Event("stocks", "price", {}, f"price-{number}")))
        crossing = Event("stocks", "price_cross_above", {}, "crossing-1", watch="watch-1")
        tally.count(CROSSINGS, encode_event(crossing))
        fire(tally, "price", crossing)
    return tally, {"every": 3, "team": 1, "price": 1}


def fire(tally: Tally, trigger_id: str, event: Event) -> None:
    """One firing and its completed execution."""
    execution_id = f"{trigger_id}/{event.id}"
    tally.count(FIRINGS, encode(Firing(execution_id, trigger_id, event)))
    for status in (Status.PENDING, Status.RUNNING, Status.COMPLETED):
        tally.count(EXECUTIONS, encode(Execution(execution_id, trigger_id, status, 1)))


def faults(tally: Tally, injects: dict[str, int]) -> list[str]:
    return [line.fault for line in balance(TRUTH, TRIGGERS, tally, injects) if not line.balances]


def test_records_written_twice_count_once() -> None:
    """Topics are at-least-once, ids are derived: the sums are of unique ids."""
    assert faults(*whole_run()) == []


def test_a_missing_execution_is_named_with_its_difference() -> None:
    """A fault says which sum, and by how much."""
    tally, injects = whole_run()
    tally.completed["every"].pop()
    assert faults(tally, injects) == ["completed executions, every goal: 2 instead of 3, 1 too few"]


def test_too_many_is_a_fault_too() -> None:
    """A spurious crossing, or an inject the hub took without a goal, does not balance."""
    tally, injects = whole_run()
    tally.count(CROSSINGS, encode_event(Event("stocks", "price_cross_above", {}, "crossing-2", watch="watch-1")))
    assert faults(tally, injects | {"team": 2}) == [
        "crossings of AAPL above 100: 2 instead of 1, 1 too many",
        "injects the hub took, goals of Argentina: 2 instead of 1, 1 too many",
    ]


def test_what_others_do_meanwhile_is_not_counted() -> None:
    """Other sources, other watches, other triggers, and records that nobody can read."""
    tally, injects = whole_run()
    tally.count(EVENTS, encode_event(Event("builds", "goal", {}, "other")))
    tally.count(CROSSINGS, encode_event(Event("stocks", "price_cross_above", {}, "other", watch="watch-2")))
    fire(tally, "somebody-elses", Event("sports_feed", "goal", {}, "goal-1"))
    tally.count(EVENTS, b"\xff not json")
    tally.count(FIRINGS, None)
    assert faults(tally, injects) == []
    assert tally.unreadable == {"events": 1, "firings": 1}


def test_a_failed_execution_is_not_a_completed_one() -> None:
    """It is counted apart."""
    tally, _ = whole_run()
    tally.count(EXECUTIONS, encode(Execution("every/goal-9", "every", Status.FAILED, 1)))
    assert (len(tally.completed["every"]), len(tally.failed["every"])) == (3, 1)


def test_acceptance_is_remembered_by_execution() -> None:
    """Whichever record of an execution tells it: latency is measured from it."""
    tally = Tally("watch-1")
    for execution_id, at_ms in (("x1", 5), ("x1", 5), ("x2", 0)):
        tally.count(EXECUTIONS, encode(Execution(execution_id, "every", Status.PENDING, 9, accepted_at_ms=at_ms)))
    assert tally.accepted_at_ms == {"x1": 5}


def test_each_run_asks_for_itself() -> None:
    """Names, workspace and watch are the run's own, so a demo that was broken off leaves nothing to the next."""
    first, second = trigger_rows("1"), trigger_rows("2")
    assert not {row["name"] for row in first} & {row["name"] for row in second}
    assert watch_id("1") != watch_id("2")
    assert [row.get("match_filter") for row in first] == [
        None,
        {"team": "Argentina"},
        {"symbol": "AAPL", "price": {"gte": 100}},
    ]


def test_a_moment_is_one_plain_line() -> None:
    """Progress, the recording's time, counts, lag and the last goal, in one line for a log."""
    moment = Moment(0.5, datetime(2026, 6, 20, 18, 30, tzinfo=UTC), {"events": 12}, {"match": 2, "gate": 1}, [SCORE])
    assert plain_line(moment) == ' 50% 2026-06-20T18:30Z events=12 lag=3 last="Mexico 1-0 South Africa"'
    assert goal_text(SCORE) == "Mexico 1-0 South Africa"
