"""The order within one instance's lane."""

from streams.delivery.delivery import Addressed, Delivery, Heading
from streams.delivery.lane import Lane


def lane_of(*offsets: int) -> Lane:
    """A lane to which dispatches of these offsets came, one after the other."""
    lane = Lane(b"hub/desk")
    for offset in offsets:
        lane.add(delivery(offset))
    return lane


def delivery(offset: int) -> Delivery:
    """A dispatch."""
    return Delivery(0, offset, b"hub/desk", b"{}", Heading("hub", False, Addressed(f"x{offset}", "t", "desk")), 0.0)


def offsets(lane: Lane) -> list[int]:
    """What waits, in order."""
    return [waiting.offset for waiting in lane.waiting]


def test_what_is_read_again_goes_before_what_was_parked_after_it() -> None:
    """A successor has taken up 7 and 9 from the table when it reads 6 and 8 again."""
    lane = lane_of(7, 9)
    assert lane.add(delivery(8)) is False
    assert lane.add(delivery(6)) is True
    assert offsets(lane) == [6, 7, 8, 9]


def test_nothing_goes_before_what_is_under_way() -> None:
    """The hub has it already, or is about to."""
    lane = lane_of(7, 9)
    lane.waiting[0].flying = True
    assert lane.add(delivery(6)) is False
    assert offsets(lane) == [7, 6, 9]


def test_what_was_dropped_is_passed_over() -> None:
    """At the front, where its turn would come, and further back."""
    lane = lane_of(1, 2, 3)
    lane.waiting[0].ended = lane.waiting[1].ended = True
    first = lane.first()
    assert first is not None
    assert first.offset == 3
    first.ended = True
    assert lane.first() is None


def test_what_is_parked_is_always_the_front_of_a_lane() -> None:
    """So whoever parks one of its dispatches parks those before it as well, in order, but for what is over."""
    lane = lane_of(1, 2, 3, 4, 5)
    lane.waiting[0].parked = lane.waiting[1].parked = lane.waiting[3].ended = True
    assert [waiting.offset for waiting in lane.unparked()] == [3, 5]
