DROP TRIGGER count_inserted ON jobs;
DROP TRIGGER count_updated ON jobs;
DROP TRIGGER count_deleted ON jobs;
DROP TRIGGER count_truncated ON jobs;
DROP FUNCTION count_triggers();
DROP TABLE trigger_counts;
DROP TABLE api_keys;
DROP TABLE workspaces;
ALTER TABLE jobs DROP COLUMN pattern;
