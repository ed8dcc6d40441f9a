DROP FUNCTION status_stage(text);
DROP TABLE executions;
