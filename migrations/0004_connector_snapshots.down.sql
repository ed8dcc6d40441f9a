DROP TABLE connector_snapshots;
