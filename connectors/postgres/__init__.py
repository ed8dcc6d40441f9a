"""The edge to Postgres: rows out to Kafka, executions back in (DESIGN 6)."""
