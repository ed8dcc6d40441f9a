-- What one event caused (ingest/event_tree.py): all executions of its tree. Only ever asked for a whole value, so a hash does.
CREATE INDEX executions_by_root_event ON executions USING hash ((lineage ->> 'root_event_id'));
