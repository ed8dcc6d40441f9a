-- How far the rows have gone out to Kafka: one row a replication slot (connectors/postgres/rows_out.py).

CREATE TABLE connector_snapshots (
    slot          text PRIMARY KEY,
    lsn           pg_lsn NOT NULL, -- the log position the last snapshot shows
    taken_at      timestamptz NOT NULL DEFAULT now(),
    position      pg_lsn NOT NULL, -- every transaction that committed before it is on the topics
    kafka_cluster text NOT NULL,   -- the cluster that holds them
    topic_ends    jsonb NOT NULL   -- topic -> the offset after the last record written; an end that is lower was lost
);
