"""``obelisk gen``."""
