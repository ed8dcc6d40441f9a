-- Workspaces and API keys. Both flow out to Kafka like hubs do, so that keys are known while Postgres is away.

-- RE2 over source:type (streams/language/event_key.py); a row with a pattern may have an empty schedule_expression.
ALTER TABLE jobs ADD COLUMN pattern text;

-- What is the installation's to say about a workspace; one without a row here has the defaults.
CREATE TABLE workspaces (
    workspace    text PRIMARY KEY,
    -- {"severity": ["low", "high"]}: ordered words by field (streams/language/scale.py). Readers decode them without a second look.
    scales       jsonb NOT NULL DEFAULT '{}'
                 CHECK (jsonb_typeof(scales) = 'object')
                 CHECK (NOT jsonb_path_exists(scales, 'strict $.* ? (@.type() != "array")'))
                 CHECK (NOT jsonb_path_exists(scales, '$.*[*] ? (@.type() != "string")')),
    max_triggers integer CHECK (max_triggers >= 0), -- null: TOUCHLINE_WORKSPACE_MAX_TRIGGERS
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_id     text PRIMARY KEY CHECK (key_id ~ '^[A-Za-z0-9]{1,64}$'), -- between two underscores of the key's text
    workspace  text, -- null: the whole installation
    name       text NOT NULL,
    scopes     text[] NOT NULL
               CHECK (scopes <@ '{ingest,triggers,executions,admin}'::text[] AND cardinality(scopes) > 0),
    hash       text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the secret
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz CHECK (isfinite(expires_at)),
    revoked_at timestamptz CHECK (isfinite(revoked_at))
);

ALTER TABLE workspaces REPLICA IDENTITY FULL;
ALTER TABLE api_keys REPLICA IDENTITY FULL;
CREATE TRIGGER notify_rows AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workspaces
    FOR EACH STATEMENT EXECUTE FUNCTION notify_rows();
CREATE TRIGGER notify_rows AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION notify_rows();

-- How many rows of jobs a workspace has: the sum of its lines here. Whoever writes jobs adds a line and waits for nobody; the
-- API, which has to know before it adds one more, sums them up and puts one line in their place (ingest/quota.py). Counting
-- the rows themselves takes 4 to 18 ms for 100,000.
CREATE TABLE trigger_counts (
    workspace text NOT NULL,
    triggers  bigint NOT NULL
);
CREATE INDEX trigger_counts_by_workspace ON trigger_counts (workspace);
INSERT INTO trigger_counts SELECT workspace, count(*) FROM jobs GROUP BY workspace;

-- The search path is this installation's: who writes to jobs may have another.
CREATE FUNCTION count_triggers() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO trigger_counts SELECT workspace, count(*) FROM added GROUP BY workspace;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO trigger_counts SELECT workspace, -count(*) FROM gone GROUP BY workspace;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO trigger_counts SELECT workspace, sum(one)
            FROM (SELECT workspace, 1 AS one FROM added UNION ALL SELECT workspace, -1 FROM gone) AS moved
            GROUP BY workspace HAVING sum(one) <> 0;
    ELSE
        DELETE FROM trigger_counts;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_inserted AFTER INSERT ON jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_triggers();
CREATE TRIGGER count_updated AFTER UPDATE ON jobs REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_triggers();
CREATE TRIGGER count_deleted AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_triggers();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_triggers();
