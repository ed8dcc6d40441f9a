-- What an explicit crossing asks for (streams/language/terms.py); readers judge it, and leave out a row they do not understand.

ALTER TABLE jobs ADD COLUMN crossing jsonb CHECK (jsonb_typeof(crossing) IN ('object', 'null'));
