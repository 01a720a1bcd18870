"""``obelisk component``."""
