"""What a fetch session tells a broker (KIP-227): all of it once, then what changed."""

from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11

from streams.engine.fetch_session import FetchSession

Positions = dict[tuple[str, int], int]


def fetch(positions: Positions) -> FetchRequest:
    """As aiokafka's fetcher asks: every partition, and where to read on."""
    return FetchRequest(25, 1, 1000, 1, [(topic, [(number, at, 100)]) for (topic, number), at in positions.items()])


def told(session: FetchSession, positions: Positions) -> tuple[tuple[int, int], Positions, list[tuple[str, list[int]]]]:
    """The session's id and epoch, the positions and the partitions to forget, as they go to the broker."""
    request = session.request(fetch(positions)).build(FetchRequest_v11)
    named = {(topic, partition[0]): partition[2] for topic, partitions in request.topics for partition in partitions}
    return (request.session_id, request.session_epoch), named, request.forgotten_topics_data


def answer(session_id: int, error_code: int = 0) -> FetchResponse_v11:
    """What the broker says of the session."""
    return FetchResponse_v11(0, error_code, session_id, [])


def begun(positions: Positions) -> FetchSession:
    """A session with id 7 in which these were fetched once."""
    session = FetchSession()
    session.request(fetch(positions))
    session.answered(answer(7))
    return session


def test_the_first_fetch_names_everything_and_asks_for_a_session() -> None:
    """Epoch 0 begins a session."""
    assert told(FetchSession(), {("a", 0): 5, ("b", 1): 6}) == ((0, 0), {("a", 0): 5, ("b", 1): 6}, [])


def test_later_fetches_name_what_moved_and_what_is_new() -> None:
    """What stands where it stood is not told again."""
    session = begun({("a", 0): 5, ("b", 1): 6})
    assert told(session, {("a", 0): 5, ("b", 1): 9, ("c", 0): 0}) == ((7, 1), {("b", 1): 9, ("c", 0): 0}, [])
    session.answered(answer(7))
    assert told(session, {("a", 0): 5, ("b", 1): 9, ("c", 0): 0}) == ((7, 2), {}, [])


def test_a_partition_that_is_not_fetched_for_now_is_forgotten_and_told_again() -> None:
    """Paused, or with records that nobody has taken yet, it must not be answered."""
    session = begun({("a", 0): 5, ("b", 1): 6})
    assert told(session, {("b", 1): 6}) == ((7, 1), {}, [("a", [0])])
    session.answered(answer(7))
    assert told(session, {("a", 0): 5, ("b", 1): 6}) == ((7, 2), {("a", 0): 5}, [])


def test_a_broker_that_lost_the_session_is_told_everything() -> None:
    """It says so with an error: it was restarted, needed the room, or is at another epoch."""
    session = begun({("a", 0): 5})
    session.request(fetch({("a", 0): 5}))
    session.answered(answer(7, error_code=71))
    assert told(session, {("a", 0): 5}) == ((7, 0), {("a", 0): 5}, [])


def test_a_broker_without_room_for_a_session_is_told_everything_each_time() -> None:
    """It answers the whole fetch, and gives no id."""
    session = FetchSession()
    session.request(fetch({("a", 0): 5}))
    session.answered(answer(0))
    assert told(session, {("a", 0): 5}) == ((0, 0), {("a", 0): 5}, [])


def test_after_a_fetch_that_failed_everything_is_told_and_the_old_session_ended() -> None:
    """Whether the broker took it is not known: epoch 0 with the old id closes that session, and begins another."""
    session = begun({("a", 0): 5})
    session.request(fetch({("a", 0): 8}))
    session.lost()
    assert told(session, {("a", 0): 8}) == ((7, 0), {("a", 0): 8}, [])
