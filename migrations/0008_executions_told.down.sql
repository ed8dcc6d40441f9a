DROP TABLE cancellations;
DROP TABLE execution_counts;
DROP TABLE execution_positions;
DROP INDEX executions_by_instance;
DROP INDEX executions_by_event;
DROP INDEX executions_by_agent;
DROP INDEX executions_by_hub;
DROP INDEX executions_by_status;
DROP INDEX executions_by_workspace;
DROP INDEX executions_by_trigger;
CREATE INDEX executions_by_trigger ON executions (trigger_id, created_at DESC, execution_id);
CREATE FUNCTION status_stage(status text) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN CASE status WHEN 'PENDING' THEN 0 WHEN 'RUNNING' THEN 1 ELSE 2 END;
ALTER TABLE executions
    DROP COLUMN heartbeat_at, DROP COLUMN pending_at, DROP COLUMN queued_at, DROP COLUMN earlier_attempts, DROP COLUMN run,
    DROP COLUMN slot, DROP COLUMN agent_id;
