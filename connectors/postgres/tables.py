"""Which tables go out, to which topic, and by which key."""

from typing import NamedTuple

from connectors.postgres.pgoutput import Row
from streams.topics import HUBS, KEYS, SOURCES, TRIGGERS, WORKSPACES, Topic


class Table(NamedTuple):
    """One table: its rows lie on `topic` under the text of their primary key, the column `key`."""

    name: str
    key: str
    topic: Topic

    def key_of(self, row: Row) -> bytes:
        """The record key of a row."""
        return str(row[self.key]).encode()


TABLES = (
    Table("api_keys", "key_id", KEYS),
    Table("workspaces", "workspace", WORKSPACES),
    Table("sources", "source", SOURCES),
    Table("hubs", "hub_id", HUBS),
    Table("jobs", "id", TRIGGERS),
)
"""In the order a snapshot sends them: what a trigger leans on comes before it."""

TABLE_BY_NAME = {table.name: table for table in TABLES}
