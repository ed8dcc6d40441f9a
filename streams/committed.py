"""Committed offsets that are those of the group: what aiokafka 0.14.0 leaves out when it reads and writes them.

Reading: after a broker's restart, or with a new leader, a coordinator answers at once, before it has read what was committed.
Since version 2 of OffsetFetch (KIP-88) it says so beside an empty list of partitions, where aiokafka does not look: to it
nothing was ever committed, and a consumer of weeks begins at the beginning. `touchline torture` found it.

Writing: a commit that meets a dead or silent coordinator is sent again until it succeeds, each time as of the generation
that is current then. When the group rebalanced meanwhile, it writes old offsets over those of the partitions' new owners.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalGenerationError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


def mend(coordinator: Any) -> None:
    """Make this `GroupCoordinator` of aiokafka's read and write what is the group's.

    Its `fetch_committed_offsets` asks again until the offsets are loaded, and raises what does not pass, such as
    GroupAuthorizationFailedError. Its `commit_offsets` raises CommitFailedError once the partitions were assigned anew.
    """
    _heed_group_errors(coordinator)
    _commit_while_assigned(coordinator)


def _heed_group_errors(coordinator: Any) -> None:
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


def _commit_while_assigned(coordinator: Any) -> None:
    commit = coordinator._do_commit_offsets

    async def commit_while_assigned(assignment: Any, offsets: Any) -> None:
        if not assignment.active:
            raise IllegalGenerationError(coordinator.group_id)  # what the broker would say to the generation it was made in
        await commit(assignment, offsets)

    coordinator._do_commit_offsets = commit_while_assigned


class GroupConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's consumer, whose committed offsets are those that were committed."""

    _mended: Any = None

    @property
    def _coordinator(self) -> Any:
        return self._mended

    @_coordinator.setter
    def _coordinator(self, coordinator: Any) -> None:
        # It is made and set to work within `start`, and may ask before that returns.
        if coordinator is not None:
            mend(coordinator)
        self._mended = coordinator
