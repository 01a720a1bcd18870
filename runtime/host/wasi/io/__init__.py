"""Streams and pollables of `wasi:io`."""
