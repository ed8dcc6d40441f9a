"""Rows out of Postgres: every committed change of the tables in tables.py, once each, in commit order, to Kafka.

The protocol, and why nothing is lost:
- The slot keeps the log from the last transaction we have let go of. We look at it (peek), send its changes, wait for the
  broker's acks, write down how far we are (`connector_snapshots`), and only then let the slot go on (advance). Whatever is
  not acknowledged and written down lies in the slot still, and is read again.
- One instance works: the one that holds an advisory lock, on a connection of its own. The others wait for it. When that
  connection ends, for whatever reason, Postgres gives the lock to another, and the one that had it stops at once.
- On the first start, and whenever the slot cannot tell what happened, a snapshot is taken (snapshot.py): the slot is made
  first, then the rows are read at a known log position S. What committed before S is in the snapshot, so those transactions
  are skipped; what committed after S comes from the slot. Rows that went away unseen get their delete from comparing the
  topic's keys with the table's.
- The slot cannot tell when it is missing or invalidated, was made anew by somebody (it is past what we wrote down), the
  publication was not what it must be, a table was truncated, or the log holds something that cannot be decoded. It can, but
  the topics cannot, when Kafka is another cluster or a topic ends earlier than what we wrote down.

What dies, and what holds:
- This process, at any moment: the changes sent after the last position written down are sent once more, in the same order,
  by the next one. A reader then sees them twice, never out of order: all that follow come again too, so the last state
  of each row is right, and `source.lsn` tells a repetition. A transaction is not split by it: it comes again from its start.
- Postgres, crashed: it may forget the last advances of a slot. What we wrote down is durable, so nothing comes twice.
- Postgres, gone or failed over: sessions are retried. A new primary without the slot means a fresh snapshot.
- Kafka, gone: the batch under way is repeated by the idempotent producer until it is acknowledged. Writers to Postgres notice
  nothing; its log grows meanwhile (`lag_bytes`).
- What does not hold: a process that loses its connection to Postgres and is frozen at that moment, with a batch on its way,
  may send that one batch after its successor has begun. At most one batch a topic is ever on its way.
"""

import asyncio
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import asyncpg
import structlog

from connectors.postgres.connection import connected
from connectors.postgres.leadership import leadership
from connectors.postgres.outlet import Outlet
from connectors.postgres.pgoutput import Begin, Commit, Delete, Insert, Truncate, Update
from connectors.postgres.position import Position, forget_position, read_position, write_position
from connectors.postgres.row_topics import cluster_id, topic_ends
from connectors.postgres.slot import Slot
from connectors.postgres.snapshot import take_snapshot
from connectors.postgres.tables import TABLE_BY_NAME
from streams.change import Origin
from streams.errors import ConnectorError
from streams.settings import Settings

LOOK_SECONDS = 5.0
"""How long we wait for a NOTIFY before we look at the log anyway: a commit with synchronous_commit off notifies before the
log is on disk, triggers do not run under session_replication_role replica, and an idle slot must still move on."""
ROUND_MESSAGES = 10_000
"""Messages of the log after which we write down how far we are. Every look decodes anew from the slot's restart point, so
larger rounds catch up faster; a crash repeats at most one."""
IDLE_LAG_BYTES = 1024 * 1024
"""What others may write to the log before we let go of it: letting go is a write too, so an idle database must not cause it."""

log = structlog.get_logger()


class RowsOut:
    """The stage. Run it with `endurance.keep_going`."""

    name = "rows_out"

    def __init__(self, settings: Settings) -> None:
        self.working = False
        self.lag_bytes: int | None = None
        """Log that Postgres keeps for us and we have not confirmed, at the last look; None before it."""
        self.counts = {"produced": 0, "dead": 0}
        self._settings = settings
        self._slot = Slot(settings.database_schema)
        self._outlet = Outlet(settings, self.counts)
        self._wake = asyncio.Event()

    @property
    def live(self) -> bool:
        """Whether this instance holds the lock, has done its last round, and is not waiting for the broker."""
        return self.working and not self._outlet.stalled

    async def session(self) -> None:
        """Wait for the lock, then carry changes until a connection breaks. Raises what broke, one of `endurance.PASSING`."""
        async with leadership(self._settings, self._slot.name, self._wake.set), connected(self._settings) as connection:
            self._outlet = Outlet(self._settings, self.counts)
            async with self._outlet:
                position = await self._resume(connection)
                while True:
                    self._wake.clear()
                    try:
                        more = await self._round(connection, position)
                    except (ConnectorError, *UNREADABLE) as error:
                        position = await self._start_over(connection, f"the log cannot be read on: {error}")
                        more = True
                    self.working = True
                    if not more:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    async def _resume(self, connection: asyncpg.Connection) -> Position:
        """Go on where the last one stopped, if the slot and the topics are still what it left; else start over."""
        cluster, ends = await cluster_id(self._settings), await topic_ends(self._settings)
        publication_changed = await self._slot.publish(connection)
        position = await read_position(connection, self._slot.name)
        state = await self._slot.state(connection)
        if position is None:
            reason = "no snapshot is complete"
        elif state is None:
            reason = "the slot is missing"
        elif state.lost is not None:
            reason = f"the slot is lost: {state.lost}"
        elif state.confirmed_lsn > position.lsn:
            reason = "the slot was moved or made anew by somebody else"
        elif publication_changed:
            reason = "the publication was not what it must be"
        elif position.kafka_cluster != cluster:
            reason = f"Kafka is the cluster {cluster}, it was {position.kafka_cluster}"
        elif any(ends[topic] < end for topic, end in position.topic_ends.items()):
            reason = "a topic ends earlier than it did"
        else:
            self._outlet.ends = ends
            log.info("resumed", slot=self._slot.name, lsn=position.lsn)
            return position
        return await self._start_over(connection, reason)

    async def _start_over(self, connection: asyncpg.Connection, reason: str) -> Position:
        """Make the slot anew, then take a snapshot. Until that is complete no position is on record, so a crash repeats it."""
        log.warning("starting_over", slot=self._slot.name, reason=reason)
        state = await self._slot.state(connection)
        if state is not None and not state.is_here:
            raise ConnectorError(
                f"the slot {self._slot.name} belongs to the database {state.database} of the same server; "
                "choose another TOUCHLINE_DATABASE_SCHEMA for one of the two"
            )
        await forget_position(connection, self._slot.name)
        await self._slot.publish(connection)
        if state is not None:
            await self._slot.drop(connection)
        await self._slot.make(connection)
        self._outlet.ends = await topic_ends(self._settings)
        lsn = await take_snapshot(self._settings, self._outlet)
        position = Position(lsn, datetime.now(UTC), lsn, await cluster_id(self._settings), self._outlet.ends)
        await self._confirm(connection, position, lsn)
        return position

    async def _round(self, connection: asyncpg.Connection, position: Position) -> bool:
        """Carry what the log has, up to its end as it is now; True when it may have more."""
        begin, reached, messages = Begin(0, 0, 0), 0, 0
        flushed: int = await connection.fetchval("SELECT pg_current_wal_flush_lsn()")
        async with aclosing(self._slot.peek(connection, flushed, ROUND_MESSAGES)) as log_messages:
            async for message in log_messages:
                messages += 1
                if isinstance(message, Begin):
                    begin = message
                elif isinstance(message, Commit):
                    reached = message.end_lsn
                elif begin.lsn < position.lsn:
                    continue  # the snapshot shows it, or it is on the topics and Postgres forgot that we let go of it
                elif isinstance(message, Truncate):
                    raise ConnectorError("a table was truncated, and which rows it held is not in the log")
                elif isinstance(message, Insert | Update | Delete):
                    await self._send(begin, message)
        await self._outlet.flush()
        state = await self._slot.state(connection)
        self.lag_bytes = state.lag_bytes if state is not None else None
        if not reached and (self.lag_bytes or 0) > IDLE_LAG_BYTES:
            reached = flushed
        if reached:
            await self._confirm(connection, position, max(reached, position.lsn))
        return messages >= ROUND_MESSAGES

    async def _confirm(self, connection: asyncpg.Connection, position: Position, lsn: int) -> None:
        """Write down first, then let go: the slot is never past what is on record, unless somebody else moved it."""
        position.lsn, position.topic_ends = lsn, self._outlet.ends
        await write_position(connection, self._slot.name, position)
        await self._slot.advance(connection, lsn)

    async def _send(self, begin: Begin, change: Insert | Update | Delete) -> None:
        table = TABLE_BY_NAME[change.relation.table]
        origin = Origin(begin.lsn, begin.transaction_id, self._settings.database_schema, table.name)
        if isinstance(change, Insert):
            await self._outlet.upsert(table, None, change.after, "c", origin, begin.at_ms)
            return
        # Without the whole old row there is no `before`; readers go by the key.
        before = change.before if change.relation.has_whole_rows else None
        if isinstance(change, Delete):
            await self._outlet.delete(table, table.key_of(change.before), before, origin, begin.at_ms)
        elif change.before is not None and table.key_of(change.before) != table.key_of(change.after):
            # A new key is a new record: the old one goes, as Debezium has it.
            await self._outlet.delete(table, table.key_of(change.before), before, origin, begin.at_ms)
            await self._outlet.upsert(table, None, change.after, "c", origin, begin.at_ms)
        else:
            await self._outlet.upsert(table, before, change.after, "u", origin, begin.at_ms)


UNREADABLE = (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.UndefinedObjectError, asyncpg.UndefinedFileError)
"""What Postgres says of a slot that is invalidated, missing or out of log, and of a publication that is missing."""
