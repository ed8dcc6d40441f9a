"""The demo: the 2026 World Cup replayed through a running installation, and a summary whose sums must balance."""
