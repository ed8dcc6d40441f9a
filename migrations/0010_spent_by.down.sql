CREATE OR REPLACE FUNCTION keep_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    NEW.generation := OLD.generation + (NEW.enabled AND NOT OLD.enabled)::int;
    RETURN NEW;
END
$$;

ALTER TABLE jobs DROP COLUMN spent_by;
