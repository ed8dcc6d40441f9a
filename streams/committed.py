"""Offsets that a group committed, asked of a coordinator that is still loading them.

After a broker's restart, or with a new leader, a coordinator answers at once, before it has read what was committed. Since
version 2 of OffsetFetch (KIP-88) it says so beside an empty list of partitions, where aiokafka 0.14.0 does not look: to it
nothing was ever committed, and a consumer of weeks begins at the beginning. `touchline torture` found it.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


def heed_group_errors(coordinator: Any) -> None:
    """Make this `GroupCoordinator` of aiokafka's raise what an answer says of the whole group.

    Its `fetch_committed_offsets` then does as with an error of a partition: it asks again until the offsets are loaded, and
    raises what does not pass, such as GroupAuthorizationFailedError.
    """
    send = coordinator._send_req

    async def send_heeding(request: Any) -> Any:
        response = await send(request)
        if isinstance(request, OffsetFetchRequest) and response.error_code:
            error = for_code(response.error_code)
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()  # so that it is looked for anew
            raise error(f"committed offsets of {coordinator.group_id}")
        return response

    coordinator._send_req = send_heeding


class GroupConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's consumer, whose committed offsets are those that were committed."""

    _heeding: Any = None

    @property
    def _coordinator(self) -> Any:
        return self._heeding

    @_coordinator.setter
    def _coordinator(self, coordinator: Any) -> None:
        # It is made and set to work within `start`, and may ask before that returns.
        if coordinator is not None:
            heed_group_errors(coordinator)
        self._heeding = coordinator
