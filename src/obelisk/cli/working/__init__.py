"""``obelisk worker``."""
