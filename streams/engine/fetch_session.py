"""Incremental fetches (step 1 of the room's protocol): a broker is told what changed since the last fetch, and tells the same.

aiokafka names every partition of the assignment in every fetch, and is answered for each. Of the dozens that a worker reads
one or two have news at a time, so most of a fetch's work, here and in the broker, went into those that had none. In a fetch
session (KIP-227) both sides remember the others.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

FULL = 0
"""The epoch of a fetch that names everything, and begins a session."""


class IncrementalRequest(FetchRequest):  # type: ignore[misc]  # aiokafka ships no types
    """A fetch within a session: the partitions to add or to read from elsewhere, and those to forget."""

    def __init__(self, whole: FetchRequest, session: "FetchSession", changed: Any, forgotten: Any) -> None:
        self.__dict__.update(whole.__dict__)
        self._topics = changed
        self._session = session.id, session.epoch
        self._forgotten = forgotten

    def build(self, request_struct_class: Any) -> Any:
        """The request as aiokafka writes it, of this session."""
        request = super().build(request_struct_class)
        request.session_id, request.session_epoch = self._session
        request.forgotten_topics_data = self._forgotten
        return request


class FetchSession:
    """What one broker knows of a consumer's partitions."""

    def __init__(self) -> None:
        self.id = 0
        self.epoch = FULL
        self._known: dict[tuple[str, int], tuple[int, int, int]] = {}

    def request(self, whole: FetchRequest) -> IncrementalRequest:
        """The fetch that leads to the same records as this one, and names only what the broker does not know."""
        wanted = {(topic, partition[0]): partition for topic, partitions in whole.topics for partition in partitions}
        known, self._known = self._known, wanted
        changed: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for place, partition in wanted.items():
            if known.get(place) != partition:
                changed[place[0]].append(partition)
        forgotten: dict[str, list[int]] = defaultdict(list)
        for topic, number in known.keys() - wanted.keys():
            forgotten[topic].append(number)
        return IncrementalRequest(whole, self, [*changed.items()], [*forgotten.items()])

    def answered(self, response: Any) -> None:
        """The broker knows what it was told, unless it says that it lost the session or has no room for one."""
        if response.error_code or not response.session_id:
            self.lost()
        else:
            self.id, self.epoch = response.session_id, self.epoch + 1

    def lost(self) -> None:
        """Nobody can tell what the broker knows: the next fetch names everything, and ends what is left of the session."""
        self.epoch, self._known = FULL, {}


class SessionClient:
    """aiokafka's client as its fetcher sees it, with a session for every broker that it fetches from."""

    def __init__(self, client: Any, subscriptions: Any) -> None:
        self._client = client
        self.cluster = client.cluster
        self._subscriptions = subscriptions
        self._assignment: object = None
        self._sessions: Mapping[int, FetchSession] = defaultdict(FetchSession)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Send the request. A fetch is under way once a broker; one that is cancelled, or fails, ends its session."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request)
        self._renew()
        session = self._sessions[node_id]
        try:
            response = await self._client.send(node_id, session.request(request))
        except BaseException:
            session.lost()
            raise
        session.answered(response)
        return response

    def _renew(self) -> None:
        """In a new assignment nothing is known of any partition, and of a quiet one a session tells only once (its end)."""
        subscription = self._subscriptions.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is not self._assignment:
            self._assignment = assignment
            for session in self._sessions.values():
                session.lost()
