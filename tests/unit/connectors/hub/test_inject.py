"""The inject over real HTTP: what is sent, and what each answer means."""

from collections.abc import Iterable

import pytest

from connectors.hub.inject import Answer, TryAgain, inject, open_client, read_answer, retry_after_seconds
from streams.event import Lineage
from streams.execution import Dispatch, Inject, Status
from streams.trigger import Hub
from tests.acceptance.receiver import Answer as Said
from tests.acceptance.receiver import Received, Receiver

DISPATCH = Dispatch(
    hub_id="h",
    fresh=False,
    inject=Inject(
        "x1", "t1", "agent", "desk", "look", [{"literal": 1}], {"id": "e1"}, Lineage("e1", ["t1"], 1), None, None, "cb"
    ),
)


async def call(said: Iterable[Said], *, recreate: bool = False, token: str | None = None) -> tuple[Answer, list[Received]]:
    """Inject once into a hub that answers so."""
    with Receiver(said) as receiver:
        async with open_client(timeout_seconds=5) as client:
            dispatch = Dispatch(DISPATCH.hub_id, DISPATCH.fresh, DISPATCH.inject, recreate=recreate)
            answer = await inject(client, Hub("h", receiver.base_url + "/", token), dispatch, create=False)
        return answer, receiver.received


async def test_a_hub_is_sent_the_contract() -> None:
    """Route, idempotency key, bearer token and body as SPEC 7 has them."""
    answer, (received,) = await call([], token="secret")
    assert answer == Answer(Status.COMPLETED, output={"said": "seen"})
    assert received.path == "/api/hub-control/h/inject"
    assert received.headers["idempotency-key"] == "x1"
    assert received.headers["authorization"] == "Bearer secret"
    assert received.body["seed_parts"] == [{"literal": 1}]
    assert received.body["lineage"] == {"root_event_id": "e1", "trigger_chain": ["t1"], "trigger_depth": 1}


async def test_redirects_are_not_followed() -> None:
    """Only registered hubs are ever called."""
    answer, received = await call([(307, {})])
    assert answer.status is Status.FAILED
    assert len(received) == 1


async def test_an_instance_that_is_gone_is_created_anew_only_when_allowed() -> None:
    """404 from `inject` is final, unless the trigger falls back."""
    refused, _ = await call([(404, {})])
    assert refused.status is Status.FAILED
    created, received = await call([(410, {})], recreate=True)
    assert created.status is Status.COMPLETED
    assert [one.path.rsplit("/", 1)[1] for one in received] == ["inject", "inject-and-create"]


async def test_a_hub_that_is_away_is_tried_again() -> None:
    """Nobody listens: that may change."""
    with Receiver() as receiver:
        hub = Hub("h", receiver.base_url)
    async with open_client(timeout_seconds=5) as client:
        with pytest.raises(TryAgain):
            await inject(client, hub, DISPATCH, create=False)


async def test_a_base_url_that_is_none_fails_for_good() -> None:
    """A row that psql wrote may hold anything."""
    async with open_client(timeout_seconds=5) as client:
        answer = await inject(client, Hub("h", "http://host:port"), DISPATCH, create=False)
    assert answer.status is Status.FAILED


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"status": "accepted"}', Answer(Status.RUNNING)),
        (202, b'{"status": "completed", "output": 3}', Answer(Status.COMPLETED, output=3)),
    ],
)
def test_a_2xx_says_what_became_of_it(status: int, body: bytes, expected: Answer) -> None:
    """Accepted runs on; completed is over."""
    assert read_answer(status, None, body) == expected


@pytest.mark.parametrize(("status", "body"), [(200, b"ok"), (200, b"[]"), (200, None), (400, b""), (302, b""), (204, b"")])
def test_other_answers_are_final(status: int, body: bytes | None) -> None:
    """Trying again would not change them, and the reason is told."""
    answer = read_answer(status, None, body)
    assert answer.status is Status.FAILED
    assert answer.error


@pytest.mark.parametrize(("status", "after"), [(500, None), (502, None), (503, 7.0), (429, 7.0)])
def test_a_hub_in_trouble_is_tried_again_when_it_says(status: int, after: float | None) -> None:
    """5xx by back-off; 429 and 503 as Retry-After asks."""
    with pytest.raises(TryAgain) as again:
        read_answer(status, "7", b"")
    assert again.value.after_seconds == after


def test_retry_after_is_read_in_both_its_forms() -> None:
    """Seconds, or an HTTP date; anything else counts as absent."""
    assert retry_after_seconds("120") == 120
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None
