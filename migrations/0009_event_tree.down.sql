DROP INDEX executions_by_root_event;
