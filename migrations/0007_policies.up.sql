-- What decides whether a match fires (SPEC 4), and how the input of what fires is shaped (SPEC 5). Readers judge the values
-- (streams/language/policy.py) and leave out a row they do not understand; the checks here are those that a reader relies on.

ALTER TABLE jobs
    ADD COLUMN dedup            text NOT NULL DEFAULT 'allow' CHECK (dedup IN ('allow', 'skip', 'queue')),
    ADD COLUMN max_concurrent   integer,
    -- Finite: NaN and the infinities are null in JSON, and null is no time-out at all.
    ADD COLUMN timeout_seconds  double precision CHECK (abs(timeout_seconds) < 'infinity'),
    ADD COLUMN rate_limit       text,  -- 10/1m
    ADD COLUMN count_threshold  integer,
    ADD COLUMN "window"         text,  -- 5m
    ADD COLUMN debounce         text,  -- 30s
    ADD COLUMN per              text,  -- payload.game: each of its values has slots, counts and rates of its own
    ADD COLUMN input            jsonb,
    ADD COLUMN input_template   jsonb,
    ADD COLUMN input_mapping    jsonb CHECK (jsonb_typeof(input_mapping) IN ('object', 'null')),
    ADD COLUMN intent_template  text,
    ADD COLUMN payload_transform jsonb;

-- null: no limit, or the installation's own. A limit that nobody could read would be none, so each of these can be read.
ALTER TABLE workspaces
    -- Who may be fired; null: everybody. One plain list of texts.
    ADD COLUMN allowed_agents text[]
        CHECK (array_ndims(allowed_agents) = 1 AND array_lower(allowed_agents, 1) = 1)
        CHECK (array_position(allowed_agents, NULL) IS NULL),
    ADD COLUMN max_depth   integer CHECK (max_depth >= 1), -- of a cascade; null: TOUCHLINE_WORKSPACE_MAX_DEPTH
    -- Of all its triggers together: 1000/1h, as streams/language/policy.py reads a rate, up to 1,000,000 in up to 30 days.
    ADD COLUMN max_firings text CHECK (
        CASE WHEN max_firings ~ '^[0-9]{1,9}/[0-9]{1,9}(ms|s|m|h|d)$' THEN
            split_part(max_firings, '/', 1)::integer BETWEEN 1 AND 1000000
            AND substring(max_firings FROM '/([0-9]+)')::bigint
                * CASE substring(max_firings FROM '[a-z]+$')
                      WHEN 'ms' THEN 1 WHEN 's' THEN 1000 WHEN 'm' THEN 60000 WHEN 'h' THEN 3600000 ELSE 86400000
                  END BETWEEN 1 AND 2592000000
        ELSE max_firings IS NULL END
    ),
    ADD COLUMN max_queue   integer CHECK (max_queue >= 0); -- firings of one trigger that may wait; null: TOUCHLINE_WORKSPACE_MAX_QUEUE
