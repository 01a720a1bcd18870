"""Tokens, and who may ask for what."""
