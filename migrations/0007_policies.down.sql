ALTER TABLE workspaces DROP COLUMN max_queue, DROP COLUMN max_firings, DROP COLUMN max_depth, DROP COLUMN allowed_agents;
ALTER TABLE jobs
    DROP COLUMN payload_transform, DROP COLUMN intent_template, DROP COLUMN input_mapping, DROP COLUMN input_template,
    DROP COLUMN input, DROP COLUMN per, DROP COLUMN debounce, DROP COLUMN "window", DROP COLUMN count_threshold,
    DROP COLUMN rate_limit, DROP COLUMN timeout_seconds, DROP COLUMN max_concurrent, DROP COLUMN dedup;
