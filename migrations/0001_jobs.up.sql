-- The rows people write: triggers, hubs, sources (SPEC 2). Every change of them flows to Kafka (connectors/postgres).

CREATE TABLE jobs (
    id                  text PRIMARY KEY DEFAULT uuidv7()::text,
    name                text NOT NULL,
    workspace           text NOT NULL DEFAULT 'default',
    schedule_type       text NOT NULL DEFAULT 'event'
                        CHECK (schedule_type IN ('cron', 'interval', 'once', 'event', 'webhook')),
    schedule_expression text NOT NULL,
    agent_id            text NOT NULL,
    agent_instance_id   text,
    supervisor_message  text NOT NULL DEFAULT '',
    hub_id              text NOT NULL,
    provider            text,
    model               text,
    enabled             boolean NOT NULL DEFAULT true,
    fallback_to_new_hub boolean NOT NULL DEFAULT false,
    owner_email         text,
    one_shot            boolean NOT NULL DEFAULT false,
    match_filter        jsonb CHECK (jsonb_typeof(match_filter) IN ('object', 'null')),
    extra_seed_parts    jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(extra_seed_parts) = 'array'),
    generation          bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace, name)
);

CREATE TABLE hubs (
    hub_id     text PRIMARY KEY,
    base_url   text NOT NULL,
    token      text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sources (
    source     text PRIMARY KEY,
    spread     text NOT NULL DEFAULT 'source' CHECK (spread IN ('source', 'subject')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The whole old row goes into the log, so that a change record has its "before", large values included.
ALTER TABLE jobs REPLICA IDENTITY FULL;
ALTER TABLE hubs REPLICA IDENTITY FULL;
ALTER TABLE sources REPLICA IDENTITY FULL;

-- generation counts how often a row has been enabled. A one-shot trigger spends one generation: a late record of an
-- earlier firing must not disable a row that its owner has enabled again since.
CREATE FUNCTION keep_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    NEW.generation := OLD.generation + (NEW.enabled AND NOT OLD.enabled)::int;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_job BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION keep_job();

-- Wakes the connector at commit. The channel carries the schema's name: installations share a database without meeting.
CREATE FUNCTION notify_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_TABLE_SCHEMA || '_rows', TG_TABLE_NAME);
    RETURN NULL;
END
$$;
CREATE TRIGGER notify_rows AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION notify_rows();
CREATE TRIGGER notify_rows AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hubs
    FOR EACH STATEMENT EXECUTE FUNCTION notify_rows();
CREATE TRIGGER notify_rows AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sources
    FOR EACH STATEMENT EXECUTE FUNCTION notify_rows();
