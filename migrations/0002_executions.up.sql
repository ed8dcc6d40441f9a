-- Executions as the `executions` topic tells them (connectors/postgres/executions_in.py). No foreign key to jobs: the
-- history of a deleted trigger stays.

CREATE TABLE executions (
    execution_id      text PRIMARY KEY,
    trigger_id        text NOT NULL,
    workspace         text NOT NULL DEFAULT '',
    event_id          text NOT NULL DEFAULT '',
    hub_id            text NOT NULL DEFAULT '',
    agent_instance_id text NOT NULL DEFAULT '',
    status            text NOT NULL,
    input             jsonb,
    output            jsonb,
    error             text,
    attempts          integer NOT NULL DEFAULT 0,
    lineage           jsonb,
    accepted_at       timestamptz,
    created_at        timestamptz NOT NULL,
    started_at        timestamptz,
    finished_at       timestamptz,
    updated_at        timestamptz NOT NULL,
    -- Where the last record applied to this row lies on the topic: one at or before it there has been applied already.
    topic_partition   integer NOT NULL,
    topic_offset      bigint NOT NULL
);

-- GET /v1/triggers/{id}/executions, newest first; execution_id makes the order, and so the paging, total.
CREATE INDEX executions_by_trigger ON executions (trigger_id, created_at DESC, execution_id);

-- Statuses move only from a lower stage to a higher one: PENDING, RUNNING, and the final ones.
CREATE FUNCTION status_stage(status text) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN CASE status WHEN 'PENDING' THEN 0 WHEN 'RUNNING' THEN 1 ELSE 2 END;
