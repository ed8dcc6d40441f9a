"""The embedded stack: a real Kafka and a real Postgres from package registries, without a container (DESIGN 7)."""
