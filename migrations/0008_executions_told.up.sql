-- Executions that wait for a slot, are cancelled, timed out or redriven; lists by filter; and exact counts (streams/execution.py).

ALTER TABLE executions
    ADD COLUMN agent_id         text NOT NULL DEFAULT '',
    ADD COLUMN slot             text NOT NULL DEFAULT '',  -- the gate's state that a record of this execution concerns
    ADD COLUMN run              integer NOT NULL DEFAULT 0, -- how often its dead letter was redriven
    ADD COLUMN earlier_attempts integer NOT NULL DEFAULT 0, -- of the runs before; attempts are those of all runs
    ADD COLUMN queued_at        timestamptz,
    ADD COLUMN pending_at       timestamptz,                -- of the latest run
    ADD COLUMN heartbeat_at     timestamptz;
-- topic_partition and topic_offset are now where the record lies that made the status what it is: who told it knows it again.

-- The rules stand in connectors/postgres/execution_row.py.
DROP FUNCTION status_stage(text);

-- Lists are newest first, of a trigger, a workspace or everything, each status by itself (ingest/execution_rows.py): so one
-- index serves a list of any statuses, and one of all. Retention reads the last of them from its other end.
DROP INDEX executions_by_trigger;
CREATE INDEX executions_by_trigger ON executions (trigger_id, status, created_at DESC);
CREATE INDEX executions_by_workspace ON executions (workspace, status, created_at DESC);
CREATE INDEX executions_by_status ON executions (status, created_at DESC);
-- What few executions may have in common, whichever statuses they have.
CREATE INDEX executions_by_event ON executions (event_id, created_at DESC);
CREATE INDEX executions_by_hub ON executions (hub_id, created_at DESC);
CREATE INDEX executions_by_agent ON executions (agent_id, created_at DESC);
CREATE INDEX executions_by_instance ON executions (agent_instance_id, created_at DESC);

-- How far each partition of the topic has been projected: written in the transaction that projects, so that a record before it
-- is known to be in the tables below and above, whether its row is still there or not (connectors/postgres/projection.py).
CREATE TABLE execution_positions (
    topic_partition integer PRIMARY KEY,
    next_offset     bigint NOT NULL, -- every record before it has been projected, or is a dead letter
    kafka_cluster   text NOT NULL    -- the cluster that gave these offsets
);

-- How many executions stand in each status, those included whose row retention has deleted since. A partition of the topic has
-- lines of its own: one connector writes them, and nobody waits for another's.
CREATE TABLE execution_counts (
    topic_partition integer NOT NULL,
    workspace       text NOT NULL,
    status          text NOT NULL,
    executions      bigint NOT NULL,
    PRIMARY KEY (topic_partition, workspace, status)
) WITH (fillfactor = 50); -- its few rows change with every batch: the new version fits beside the old one
INSERT INTO execution_counts
    SELECT topic_partition, workspace, status, count(*) FROM executions GROUP BY topic_partition, workspace, status;

-- The reference hub's: executions it was told to let go of. One that it never saw is here too, and its inject comes too late.
CREATE TABLE cancellations (
    execution_id      text PRIMARY KEY,
    hub_id            text NOT NULL,
    trigger_id        text NOT NULL,
    agent_instance_id text NOT NULL,
    reason            text,
    received_at       timestamptz NOT NULL DEFAULT now()
);
