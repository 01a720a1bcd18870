"""WASI 0.2 for guests, answered in Python over capabilities that are handed in."""
