"""Folders, files and their streams behind `wasi:filesystem`."""
