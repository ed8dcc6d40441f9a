-- The execution that spent a one-shot row and so disabled it. A worker killed between telling of that execution and sending it
-- decides the firing again, and must find that the row was disabled by this very firing. Whoever enables the row forgets it.

ALTER TABLE jobs ADD COLUMN spent_by text;

CREATE OR REPLACE FUNCTION keep_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    NEW.generation := OLD.generation + (NEW.enabled AND NOT OLD.enabled)::int;
    NEW.spent_by := CASE WHEN NOT NEW.enabled THEN NEW.spent_by END;
    RETURN NEW;
END
$$;
