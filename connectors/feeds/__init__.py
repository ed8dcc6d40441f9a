"""Feeds: producers that watch a data source and emit facts."""
