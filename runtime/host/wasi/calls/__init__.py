"""The host functions of WASI, by interface."""
