"""The flow of an event: the vocabulary, and one file per stage (detect, match, gate, dispatch).

Importing this package imports nothing heavy: `ingest` uses the vocabulary without loading Faust.
"""
