-- The reference hub's own memory: which instances exist, and what each was told.

CREATE TABLE instances (
    hub_id            text NOT NULL,
    agent_id          text NOT NULL,
    agent_instance_id text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (hub_id, agent_id, agent_instance_id)
);

-- One row an inject. The execution id is the idempotency key: an inject that comes again finds its row.
CREATE TABLE transcripts (
    execution_id      text PRIMARY KEY,
    hub_id            text NOT NULL,
    agent_id          text NOT NULL,
    agent_instance_id text NOT NULL,
    trigger_id        text NOT NULL,
    route             text NOT NULL,
    message           text NOT NULL,
    seed_parts        jsonb NOT NULL,
    event             jsonb NOT NULL,
    output            jsonb,
    received_at       timestamptz NOT NULL DEFAULT now(),
    sequence          bigint GENERATED ALWAYS AS IDENTITY -- the order of arrival
);

CREATE INDEX transcripts_by_instance ON transcripts (hub_id, agent_id, agent_instance_id, sequence);
