-- What an explicit crossing asks for (streams/language/terms.py); readers judge it, and leave a row out whose terms they do not accept.

ALTER TABLE jobs ADD COLUMN crossing jsonb CHECK (jsonb_typeof(crossing) IN ('object', 'null'));
