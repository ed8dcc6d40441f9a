"""Dead letters as the API finds, redrives and discards them, on the real topic."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from ingest import dead_letters, dead_search, record_search
from ingest.authentication import EVERYBODY
from ingest.dead_resolving import DeadLetters, Resolving
from ingest.dead_wanted import Found, Known
from ingest.dead_writer import DeadWriter
from ingest.problems import problem_of
from ingest.record_search import RecordSearch
from streams.dead import REDRIVEN_HEADER, Place, dead_letter_headers, read_letter, read_place
from streams.event import Event, Lineage, encode_event
from streams.execution import Dispatch, Execution, Firing, Inject, Status, decode_dispatch, decode_execution, encode
from streams.redrive import Restored
from streams.resolution import CLAIM_SECONDS, Outcome, Resolution
from streams.settings import Settings
from streams.topics import DEAD, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic, partition_of
from tests.integration.api import make_key, records, serve, serve_connected
from tests.waiting import eventually

URL = "/api/v1/dead-letters"
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, without workers or a connector: what is put back stays where it is."""
    async with serve(installation) as client:
        yield client


@pytest.fixture
async def kafka(installation: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A client that writes as the stages do."""
    producer = AIOKafkaProducer(**installation.kafka_client(), max_request_size=10_000_000)
    await producer.start()
    yield producer
    await producer.stop()


class Graveyard:
    """Buries records, as the stages do."""

    def __init__(self, settings: Settings, kafka: AIOKafkaProducer) -> None:
        self._settings = settings
        self._kafka = kafka

    async def bury(
        self,
        topic: Topic,
        value: bytes | None,
        stage: str = "gate",
        reason: str = "no",
        partition: int = 1,
        key: bytes = b"t1",
        at: datetime = HOUR_AGO,
        own: Sequence[tuple[str, bytes]] = (),
    ) -> str:
        """One letter; its id."""
        return await self.write(
            key, value, dead_letter_headers(own, topic.full_name(self._settings), 0, 5, stage, reason), partition, at
        )

    async def write(
        self, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]], partition: int, at: datetime = HOUR_AGO
    ) -> str:
        """One record of `dead`; its place."""
        written = await self._kafka.send_and_wait(
            DEAD.full_name(self._settings),
            value,
            key=key,
            partition=partition,
            headers=headers,
            timestamp_ms=int(at.timestamp() * 1000),
        )
        return str(Place(written.partition, written.offset))


@pytest.fixture
def graveyard(installation: Settings, kafka: AIOKafkaProducer) -> Graveyard:
    """Where this test's installation buries."""
    return Graveyard(installation, kafka)


def dispatch(number: int, trigger_id: str = "t1", workspace: str = "default") -> bytes:
    """A dispatch whose execution failed."""
    inject = Inject(f"x{number}", trigger_id, "agent", "desk", "", [], {"id": f"e{number}"}, Lineage(), None, None, "")
    return encode(Dispatch("hub", False, inject, workspace=workspace, slot="t1"))


async def listed(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **wanted: Any) -> list[str]:
    """The ids of the letters that are listed."""
    answer = await client.get(URL, params=wanted, headers=headers)
    assert answer.status_code == 200, answer.text
    return [letter["id"] for letter in answer.json()["dead_letters"]]


async def test_letters_are_found_by_stage_trigger_reason_and_time(client: httpx.AsyncClient, graveyard: Graveyard) -> None:
    """Newest first, whatever the partition."""
    at = [HOUR_AGO + timedelta(minutes=minute) for minute in range(4)]
    first = await graveyard.bury(DISPATCHES, dispatch(1), "dispatch", "hub 'desk' is not registered", 2, at=at[0])
    second = await graveyard.bury(FIRINGS, b"no json", "gate", "not a firing", 1, key=b"t2", at=at[1])
    third = await graveyard.bury(DISPATCHES, dispatch(3, "t2"), "dispatch", "gave up after 8 attempts", 1, at=at[2])
    fourth = await graveyard.bury(EVENTS, b"\xff", "match", "not an event", 3, key=b"\xff", at=at[3])
    assert await listed(client) == [fourth, third, second, first]
    assert await listed(client, stage="dispatch") == [third, first]
    assert await listed(client, trigger_id="t2") == [third, second]
    assert await listed(client, reason="NOT a") == [fourth, second]
    assert await listed(client, since=at[1].isoformat(), until=at[3].isoformat()) == [third, second]
    assert await listed(client, stage="dispatch", trigger_id="t2", reason="registered") == []
    assert (await client.get(URL, params={"stages": "gate"})).status_code == 422
    assert (await client.get(URL, params={"since": "yesterday"})).status_code == 422


async def test_pages_hold_every_letter_once(
    client: httpx.AsyncClient, graveyard: Graveyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small chunks, over partitions of different length, with clocks that disagree, while more die and some are decided."""
    monkeypatch.setattr(dead_search, "FIRST_CHUNK_RECORDS", 3)
    monkeypatch.setattr(dead_search, "CHUNK_RECORDS", 20)
    buried = []
    for number in range(60):
        skewed = HOUR_AGO + timedelta(seconds=number - 7 * (number % 3))
        buried.append(await graveyard.bury(FIRINGS, b"%d" % number, partition=min(number % 7, 3), at=skewed))
    seen: list[str] = []
    cursor = None
    while True:
        answer = (await client.get(URL, params={"limit": 9} | ({"cursor": cursor} if cursor else {}))).json()
        assert answer["searched"]["complete"]
        seen += [letter["id"] for letter in answer["dead_letters"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        assert (await client.post(f"{URL}/{seen[-1]}/discard")).status_code == 200
        await graveyard.bury(FIRINGS, b"later", at=datetime.now(UTC))
    assert Counter(seen) == Counter(buried)
    for cursor in ("x", "bm8=", base64.urlsafe_b64encode(b'{"1": 2}').decode()):
        assert (await client.get(URL, params={"cursor": cursor})).status_code == 422


async def test_a_search_that_runs_out_of_time_says_so(
    client: httpx.AsyncClient, graveyard: Graveyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list tells that it is not complete; what would change something refuses to guess."""
    letter_id = await graveyard.bury(FIRINGS, b"{}")
    monkeypatch.setattr(record_search, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(dead_letters, "BULK_SEARCH_SECONDS", 0)
    assert (await client.get(URL)).json()["searched"] == {"records": 0, "complete": False}
    assert (await client.post(f"{URL}/redrive")).status_code == 422
    assert (await client.post(f"{URL}/{letter_id}/redrive")).status_code == 503
    assert (await client.get(f"{URL}/{letter_id}")).status_code == 503


async def test_a_letter_is_shown_as_it_was(client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings) -> None:
    """JSON number for number, anything else in base64, its own headers without ours."""
    value = b'{"price": 1e15, "id": "e1", "big": 12345678901234567890123}'
    own = [("touchline-signature", b"abc"), ("odd", b"\xff")]
    json_id = await graveyard.bury(EVENTS, value, "match", "is nested too deep", key=b"stocks", own=own)
    bytes_id = await graveyard.bury(EVENTS, b"\xff\x00", "match", "not an event", key=b"\xff")
    answer = await client.get(f"{URL}/{json_id}")
    assert b'"value":{"price": 1e15, "id": "e1", "big": 12345678901234567890123}' in answer.content
    letter = answer.json()
    shown = ("state", "stage", "reason", "event_id", "workspace", "trigger_id", "partition", "offset", "redrivable", "key")
    assert [letter[name] for name in shown] == [
        "open",
        "match",
        "is nested too deep",
        "e1",
        "default",
        None,
        0,
        5,
        True,
        "stocks",
    ]
    assert letter["topic"] == EVENTS.full_name(installation)
    assert letter["died_at"] == HOUR_AGO.isoformat(timespec="milliseconds").replace("+00:00", "Z")[:23] + letter["died_at"][23:]
    assert letter["headers"] == [
        {"name": "touchline-signature", "value": "abc"},
        {"name": "odd", "value_base64": base64.b64encode(b"\xff").decode()},
    ]
    letter = (await client.get(f"{URL}/{bytes_id}")).json()
    assert (letter["value_base64"], letter["key_base64"]) == ("/wA=", "/w==")
    assert (letter["workspace"], "value" in letter, "key" in letter) == (None, False, False)
    for nobody in ("9-0", "1-999", "0-0", "1-99999999999999999999", "x", f"{json_id}x"):
        assert (await client.get(f"{URL}/{nobody}")).status_code == 404, nobody


async def test_a_redriven_dispatch_opens_its_execution_first(
    client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings
) -> None:
    """PENDING with the next run, then the dispatch, under the key and with the ids it had."""
    letter_id = await graveyard.bury(DISPATCHES, dispatch(1), "dispatch", "gave up", key=b"hub/desk", own=[("a", b"b")])
    answer = await client.post(f"{URL}/{letter_id}/redrive")
    assert (answer.status_code, answer.json()["state"], answer.json()["execution_id"]) == (200, "redriven", "x1")
    (back,) = await records(installation, DISPATCHES)
    assert (back.key, back.partition) == (b"hub/desk", partition_of(b"hub/desk", 4))
    assert back.headers == (("a", b"b"), ("touchline-redriven", letter_id.encode()))
    redriven, before = decode_dispatch(back.value), decode_dispatch(dispatch(1))
    assert (redriven.run, redriven.slot, redriven.inject) == (1, "", before.inject)
    (pending,) = await records(installation, EXECUTIONS)
    execution = decode_execution(pending.value)
    assert (execution.status, execution.run, execution.execution_id, pending.key) == (Status.PENDING, 1, "x1", b"t1")
    assert pending.timestamp <= back.timestamp
    assert await listed(client) == []
    assert await listed(client, state="redriven") == await listed(client, state="all") == [letter_id]


async def test_what_was_decided_is_decided_again_only_on_request(
    client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings
) -> None:
    """409 with the state, for both ways; `again` redrives once more."""
    redriven = await graveyard.bury(FIRINGS, b"one")
    discarded = await graveyard.bury(FIRINGS, b"two")
    assert (await client.post(f"{URL}/{redriven}/redrive")).status_code == 200
    assert (await client.post(f"{URL}/{discarded}/discard")).json()["state"] == "discarded"
    for letter_id, state in ((redriven, "redriven"), (discarded, "discarded")):
        for action in ("redrive", "discard"):
            refused = await client.post(f"{URL}/{letter_id}/{action}")
            assert (refused.status_code, refused.json()["state"]) == (409, state)
        again = await client.post(f"{URL}/{letter_id}/redrive", params={"again": True})
        assert (again.status_code, again.json()["attempts"]) == (200, 2)
    assert Counter(record.value for record in await records(installation, FIRINGS)) == {b"one": 2, b"two": 1}
    assert (await client.post(f"{URL}/9-9/redrive")).status_code == 404
    assert (await client.post(f"{URL}/9-9/discard")).status_code == 404


async def test_of_many_at_once_one_wins(graveyard: Graveyard, installation: Settings) -> None:
    """Two processes, several calls each: the record is put back once, and everybody else is told."""
    letter_ids = [await graveyard.bury(FIRINGS, b"%d" % number) for number in range(5)]
    async with serve(installation) as one, serve(installation) as other:
        for letter_id in letter_ids:
            calls = [client.post(f"{URL}/{letter_id}/redrive") for client in (one, other, one, other)]
            answers = await asyncio.gather(*calls, other.post(f"{URL}/{letter_id}/discard"))
            assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409], letter_id
        redriven = set(await listed(one, state="redriven"))
        assert redriven | set(await listed(one, state="discarded")) == set(letter_ids)
    put_back = Counter(dict(record.headers)[REDRIVEN_HEADER].decode() for record in await records(installation, FIRINGS))
    assert put_back == dict.fromkeys(redriven, 1)


class Overtaken(DeadWriter):
    """Before its first record comes another process's claim, which was not there when we looked."""

    theirs: Resolution | None = None

    async def write(self, records: Sequence[Restored]) -> list[int]:
        """Write theirs, then ours."""
        theirs, self.theirs = self.theirs, None
        if theirs is not None:
            await super().write([Restored(DEAD, theirs.letter.partition, b"t1", b"", theirs.headers())])
        return await super().write(records)


@pytest.mark.parametrize("action", ["redrive", "discard"])
async def test_a_claim_that_another_was_quicker_with_does_nothing(
    action: str, graveyard: Graveyard, installation: Settings
) -> None:
    """Both had found the letter open: the second claim of the same number is refused, and nothing is put back."""
    place = read_place(await graveyard.bury(FIRINGS, b"one"))
    assert place is not None
    async with RecordSearch(installation) as search, Overtaken(installation) as writer:
        writer.theirs = Resolution(place, Outcome.REDRIVING, 1, "theirs")
        resolving = Resolving(installation, DeadLetters(installation, search, EVERYBODY), writer, frozenset())
        resolved = await (resolving.redrive([place], again=False) if action == "redrive" else resolving.discard([place]))
    assert resolved.done == []
    assert problem_of(resolved.refused[place]).status == 409
    assert not await records(installation, FIRINGS)


async def test_what_was_claimed_is_carried_out_however_long_the_search_for_it_took(
    graveyard: Graveyard, installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading up to the own claim has its own time, or the letter would be nobody's for as long as a claim holds."""
    place = read_place(await graveyard.bury(FIRINGS, b"one"))
    assert place is not None
    async with RecordSearch(installation) as search, Overtaken(installation) as writer:
        letters = DeadLetters(installation, search, EVERYBODY)
        read = letters.read

        async def read_slowly(places: Collection[Place], known: Known | None) -> list[Found]:
            found = await read(places, known)
            search._deadline_seconds = 0.0
            return found

        monkeypatch.setattr(letters, "read", read_slowly)
        resolved = await Resolving(installation, letters, writer, frozenset()).redrive([place], again=False)
    assert [str(one.letter.place) for one in resolved.done] == [str(place)]
    assert len(await records(installation, FIRINGS)) == 1


async def test_what_is_being_redriven_is_left_to_it(
    client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings
) -> None:
    """Even by who asks for it again: the call under way has not said yet what came of it."""
    letter_id = await graveyard.bury(FIRINGS, b"one")
    place = read_place(letter_id)
    assert place is not None
    theirs = Resolution(place, Outcome.REDRIVING, 1, "theirs")
    await graveyard.write(b"t1", b"", theirs.headers(), 1, datetime.now(UTC))
    refused = await client.post(f"{URL}/{letter_id}/redrive", params={"again": True})
    assert (refused.status_code, refused.json()["state"]) == (409, "redriving")
    assert await listed(client, state="redriving") == [letter_id]
    assert not await records(installation, FIRINGS)


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_a_claim_of_a_process_that_died_expires(
    one_by_one: bool, client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings
) -> None:
    """The letter is open again, and the next claim has the next number."""
    letter_id = await graveyard.bury(FIRINGS, b"one")
    place = read_place(letter_id)
    assert place is not None
    theirs = Resolution(place, Outcome.REDRIVING, 1, "theirs")
    long_ago = datetime.now(UTC) - timedelta(seconds=CLAIM_SECONDS + 1)
    await graveyard.write(b"t1", b"", theirs.headers(), 1, long_ago)
    assert await listed(client) == [letter_id]
    assert (await client.post(f"{URL}/{letter_id}/redrive" if one_by_one else f"{URL}/redrive")).status_code == 200
    letter = (await client.get(f"{URL}/{letter_id}")).json()
    assert (letter["state"], letter["attempts"]) == ("redriven", 2)
    assert len(await records(installation, FIRINGS)) == 1


async def test_all_that_a_filter_names_goes_back_oldest_first(
    client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings
) -> None:
    """Bounded by a limit, with a count; a dry run changes nothing; a row that no topic took is left out."""
    ids = [
        await graveyard.bury(DISPATCHES, dispatch(number), "dispatch", partition=number % 4, key=b"hub/desk", at=at)
        for number, at in enumerate(HOUR_AGO + timedelta(seconds=second) for second in range(20))
    ]
    other = await graveyard.bury(FIRINGS, b"{}", "gate")
    rows_out = await graveyard.write(b"t9", None, dead_letter_headers([], "jobs", 0, 7, "rows_out", "too large"), 2)
    dry = await client.post(f"{URL}/redrive", params={"stage": "dispatch", "dry_run": True})
    assert dry.json() == {"matched": 20, "ids": ids, "refused": []}
    assert not await records(installation, DISPATCHES)
    done = await client.post(f"{URL}/redrive", params={"stage": "dispatch", "limit": 15})
    assert done.json() == {"matched": 20, "ids": ids[:15], "refused": []}
    done = await client.post(f"{URL}/redrive", params={"stage": "dispatch"})
    assert done.json() == {"matched": 5, "ids": ids[15:], "refused": []}
    back = [decode_dispatch(record.value).inject.execution_id for record in await records(installation, DISPATCHES)]
    assert back == [f"x{number}" for number in range(20)], "one key, so one order, and it is the one in which they died"
    assert (await client.post(f"{URL}/redrive")).json() == {"matched": 1, "ids": [other], "refused": []}
    refused = await client.post(f"{URL}/{rows_out}/redrive")
    assert (refused.status_code, refused.json()["type"]) == (409, "not-redrivable")
    assert (await client.post(f"{URL}/discard")).json() == {"matched": 1, "ids": [rows_out], "refused": []}
    assert await listed(client) == []


async def test_the_largest_letter_goes_back(client: httpx.AsyncClient, graveyard: Graveyard, installation: Settings) -> None:
    """A dispatch of nearly 8 MiB, which is what its topic takes."""
    inject = Inject("x1", "t1", "agent", "desk", "m" * (8 * 1024 * 1024 - 2000), [], {}, Lineage(), None, None, "")
    letter_id = await graveyard.bury(DISPATCHES, encode(Dispatch("hub", False, inject)), "dispatch")
    assert len((await client.get(f"{URL}/{letter_id}")).json()["value"]["inject"]["message"]) == len(inject.message)
    assert (await client.post(f"{URL}/{letter_id}/redrive")).status_code == 200
    (back,) = await records(installation, DISPATCHES)
    assert decode_dispatch(back.value).inject == inject


async def test_a_workspace_sees_only_its_own(installation: Settings, kafka: AIOKafkaProducer) -> None:
    """What nobody could read, and so assign, only the installation sees; what is another's is not there."""
    settings = installation.model_copy(update={"authentication": "keys"})
    graveyard = Graveyard(settings, kafka)
    async with serve_connected(settings) as client:
        sports = await make_key(settings, "sports", "executions")
        stranger = await make_key(settings, "sports", "ingest", "triggers", "admin")
        for key in (sports, stranger):
            await eventually(partial(is_let_in, client, key), 10, "the key is known")
        theirs = await graveyard.bury(DISPATCHES, dispatch(1, workspace="sports"), "dispatch")
        event = Event("stocks", "price", id="e1", workspace="sports")
        firing = await graveyard.bury(FIRINGS, encode(Firing("x1", "t1", event)))
        others = [
            await graveyard.bury(DISPATCHES, dispatch(2, workspace="stocks"), "dispatch"),
            await graveyard.bury(EVENTS, encode_event(Event("stocks", "price", id="e1")), "match"),
            await graveyard.bury(EVENTS, b"not json", "match"),
            await graveyard.bury(EXECUTIONS, b"not json", "executions_in"),
        ]
        assert set(await listed(client, sports)) == {theirs, firing}
        assert set(await listed(client)) == {theirs, firing, *others}
        assert set(await listed(client, workspace="stocks")) == {others[0]}
        for letter_id in others:
            assert (await client.get(f"{URL}/{letter_id}", headers=sports)).status_code == 404
            for action in ("redrive", "discard"):
                assert (await client.post(f"{URL}/{letter_id}/{action}", headers=sports)).status_code == 404
        assert (await client.get(URL, headers=stranger)).status_code == 403
        bulk = await client.post(f"{URL}/discard", headers=sports)
        assert (bulk.json()["matched"], set(bulk.json()["ids"])) == (2, {theirs, firing})
        assert set(await listed(client)) == set(others)


async def is_let_in(client: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    """Whether the key is known by now."""
    return (await client.get(URL, headers=headers)).status_code in {200, 403}


async def test_letters_of_real_stages_are_read(installation: Settings) -> None:
    """What the connector buries is found, and goes back to `executions`."""
    async with serve_connected(installation) as client:
        producer = AIOKafkaProducer(**installation.kafka_client())
        await producer.start()
        topic = EXECUTIONS.full_name(installation)
        await producer.send_and_wait(topic, b"not json", key=b"t1")
        await producer.send_and_wait(topic, encode(Execution("x1", "t1", Status.PENDING, 2**62)), key=b"t1")
        await producer.stop()
        await eventually(lambda: count(client, 2), 30, "both are dead")
        letters = (await client.get(URL, params={"stage": "executions_in", "trigger_id": "t1"})).json()["dead_letters"]
        assert [letter["workspace"] for letter in letters] == ["default", None]
        assert (await client.post(f"{URL}/{letters[0]['id']}/redrive")).status_code == 200
        await eventually(lambda: count(client, 2), 30, "it is as unreadable as before, and dead again")
        assert len(await records(installation, EXECUTIONS)) == 3
        assert sum(read_letter(record) is not None for record in await records(installation, DEAD)) == 3


async def count(client: httpx.AsyncClient, expected: int) -> bool:
    """Whether so many are open."""
    return len(await listed(client)) == expected
