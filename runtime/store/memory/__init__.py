"""The `Store` port in memory."""
