DROP TABLE sources;
DROP TABLE hubs;
DROP TABLE jobs;
DROP FUNCTION notify_rows();
DROP FUNCTION keep_job();
