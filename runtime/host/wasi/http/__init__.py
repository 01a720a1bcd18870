"""The HTTP client behind `wasi:http`."""
