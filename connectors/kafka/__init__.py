"""The edge to the broker itself: its topics."""
