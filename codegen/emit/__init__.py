"""Emitters: one Resolution in, one kind of generated text out."""
