"""The calls to a hub over real HTTP: what is sent, and what each answer means."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import trustme

from connectors.hub.client import HubClient, parse_base_url
from connectors.hub.connection import ANSWER_BYTES
from connectors.hub.inject import Answer, Cancel, cancel, inject, read_answer, retry_after_seconds
from streams.errors import InvalidInput, TryAgain
from streams.execution import Status
from streams.trigger import Hub
from tests.acceptance.receiver import Answer as Said
from tests.acceptance.receiver import Received, Receiver

BODY = b'{"seed_parts": [{"literal": 1}]}'


def client_of(base_url: str, token: str | None = None) -> HubClient:
    """A client of hub `h`."""
    return HubClient(Hub("h", base_url, token), timeout_seconds=5, connect_timeout_seconds=5)


async def call(said: Iterable[Said], *, fallback: bool = False, token: str | None = None) -> tuple[Answer, list[Received]]:
    """Inject once into a hub that answers so."""
    with Receiver(said) as receiver:
        client = client_of(receiver.base_url + "/", token)
        try:
            answer = await inject(client, "x1", BODY, create=False, fallback=fallback)
        finally:
            client.close()
        return answer, receiver.received


async def test_a_hub_is_sent_the_contract() -> None:
    """Route, idempotency key, bearer token and body as SPEC 7 has them."""
    answer, (received,) = await call([], token="secret")
    assert answer == Answer(Status.COMPLETED, output={"said": "seen"})
    assert received.path == "/api/hub-control/h/inject"
    assert received.headers["idempotency-key"] == "x1"
    assert received.headers["authorization"] == "Bearer secret"
    assert received.headers["content-type"] == "application/json"
    assert received.body == {"seed_parts": [{"literal": 1}]}


async def test_a_hub_is_told_that_an_execution_is_over() -> None:
    """A key of its own, so that it is not taken for the inject."""
    with Receiver([(404, {})]) as receiver:
        client = client_of(receiver.base_url)
        assert await cancel(client, Cancel("x1", "t1", "desk", "too slow")) == 404
        client.close()
    (received,) = receiver.received
    assert received.path == "/api/hub-control/h/cancel"
    assert received.headers["idempotency-key"] == "x1:cancel"
    assert received.body == {"execution_id": "x1", "trigger_id": "t1", "agent_instance_id": "desk", "reason": "too slow"}


async def test_redirects_are_not_followed() -> None:
    """Only registered hubs are ever called."""
    answer, received = await call([(307, {}, {"Location": "/elsewhere"})])
    assert answer.status is Status.FAILED
    assert len(received) == 1


async def test_an_instance_that_is_gone_is_created_anew_only_when_allowed() -> None:
    """404 from `inject` is final, unless the trigger falls back."""
    refused, _ = await call([(404, {})])
    assert refused.status is Status.FAILED
    created, received = await call([(410, {})], fallback=True)
    assert created.status is Status.COMPLETED
    assert [one.path.rsplit("/", 1)[1] for one in received] == ["inject", "inject-and-create"]


async def test_a_hub_that_is_away_is_tried_again() -> None:
    """Nobody listens: that may change."""
    with Receiver() as receiver:
        client = client_of(receiver.base_url)
    with pytest.raises(TryAgain, match="ConnectionRefusedError"):
        await inject(client, "x1", BODY, create=False, fallback=False)


async def test_one_connection_serves_many_calls_and_a_closed_one_is_replaced() -> None:
    """What a hub closed while it was idle is no failed attempt: the call goes out again, on a new connection."""
    async with raw_hub([ACCEPTED, ACCEPTED + b"close", ACCEPTED]) as (base_url, connections):
        client = client_of(base_url)
        for _ in range(3):
            assert (await inject(client, "x1", BODY, create=False, fallback=False)).status is Status.RUNNING
        client.close()
    assert connections == [2, 1]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", Status.RUNNING),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n", Status.RUNNING),
        (b"HTTP/1.0 200 OK\r\n\r\n", Status.RUNNING),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (ANSWER_BYTES + 70_000), Status.FAILED),
    ],
)
async def test_every_framing_of_an_answer_is_understood(said: bytes, expected: Status) -> None:
    """Interim answers, chunks, a body that ends with its connection (RFC 9112); what is too large is not read to its end."""
    body = b"" if expected is Status.FAILED else b'{"status":"accepted"}'
    tail = b"\r\n0\r\n\r\n" if b"chunked" in said else b""
    async with raw_hub([said + body + tail + b"close"]) as (base_url, _):
        answer = await inject(client_of(base_url), "x1", BODY, create=False, fallback=False)
    assert answer.status is expected


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH\r\nclose", b"close", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshortclose"]
)
async def test_what_is_no_answer_is_tried_again(said: bytes) -> None:
    """Another server, or one that hangs up in the middle."""
    async with raw_hub([said, said]) as (base_url, _):
        with pytest.raises(TryAgain):
            await inject(client_of(base_url), "x1", BODY, create=False, fallback=False)


async def test_a_hub_that_says_nothing_is_not_waited_for() -> None:
    """A time-out is tried again."""
    async with raw_hub([b""]) as (base_url, _):
        client = HubClient(Hub("h", base_url), timeout_seconds=0.1, connect_timeout_seconds=5)
        with pytest.raises(TryAgain, match=r"no answer within 0\.1 s"):
            await inject(client, "x1", BODY, create=False, fallback=False)


async def test_a_certificate_nobody_vouches_for_is_not_trusted() -> None:
    """TLS is verified: nothing is sent to a hub that cannot prove its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with raw_hub([ACCEPTED], context) as (base_url, connections):
        with pytest.raises(TryAgain, match="certificate verify failed"):
            await inject(client_of(base_url, "secret"), "x1", BODY, create=False, fallback=False)
    assert connections == []


@pytest.mark.parametrize("base_url", ["http://host:port", "ftp://host", "host", "http://", "http://a\x01b/"])
async def test_a_base_url_that_is_none_fails_for_good(base_url: str) -> None:
    """A row that psql wrote may hold anything."""
    answer = await inject(client_of(base_url), "x1", BODY, create=False, fallback=False)
    assert answer.status is Status.FAILED
    assert answer.error is not None
    assert "register it anew" in answer.error


async def test_a_token_cannot_write_headers() -> None:
    """Nor may a token hold what would end its line."""
    answer = await inject(client_of("http://127.0.0.1:1", "a\r\nX: b"), "x1", BODY, create=False, fallback=False)
    assert answer.error == "the hub cannot be called: token: holds a control character; register it anew"


def test_a_base_url_is_taken_apart() -> None:
    """Ports have their defaults, IPv6 loses its brackets, and a user becomes Basic authorization (RFC 7617)."""
    assert parse_base_url("https://hub.example/a/") == ("hub.example", 443, True, "hub.example", "/a", "")
    assert parse_base_url("http://u:p@[::1]:80") == ("::1", 80, False, "[::1]:80", "", "Basic dTpw")
    with pytest.raises(InvalidInput):
        parse_base_url("http://[::1")


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


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"ok"), (200, b"[]"), (200, b'{"status": 1}'), (200, None), (400, b""), (302, b""), (204, b""), (200, b"[" * 9999)],
)
def test_other_answers_are_final(status: int, body: bytes | None) -> None:
    """Trying again would not change them, and the reason is told."""
    answer = read_answer(status, None, body)
    assert answer.status is Status.FAILED
    assert answer.error


@pytest.mark.parametrize(
    ("status", "after", "works"), [(500, None, False), (502, None, False), (503, 7.0, False), (429, 7.0, True)]
)
def test_a_hub_in_trouble_is_tried_again_when_it_says(status: int, after: float | None, works: bool) -> None:
    """5xx by back-off; 429 and 503 as Retry-After asks; 429 is no sign that it is down."""
    with pytest.raises(TryAgain) as again:
        read_answer(status, "7", b"")
    assert again.value.after_seconds == after
    assert again.value.works is works


def test_retry_after_is_read_in_both_its_forms() -> None:
    """Seconds, or an HTTP date; anything else counts as absent."""
    assert retry_after_seconds("120") == 120
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


ACCEPTED = b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"status":"accepted"}'


@asynccontextmanager
async def raw_hub(answers: list[bytes], context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that writes these bytes, one text a request; after one that ends in `close` it hangs up.

    Gives its base_url, and how many requests each connection brought.
    """
    left = iter(answers)
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        place = len(connections) - 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                connections[place] += 1
                answer = next(left)
                writer.write(answer.removesuffix(b"close"))
                await writer.drain()
                if answer.endswith(b"close"):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}", connections
