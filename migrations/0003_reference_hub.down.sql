DROP TABLE transcripts;
DROP TABLE instances;
