"""``obelisk server run``."""
