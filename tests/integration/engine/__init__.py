"""The engine on a real broker, with a judge that counts: what it keeps when anything moves, goes or comes back."""
