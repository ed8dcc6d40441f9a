"""How things get in: the HTTP API. Events go to Kafka, rows to Postgres; nothing is answered before it is safe there.

Importing it loads no stream engine.
"""
