"""A deterministic, durable workflow engine for WebAssembly components."""

__version__ = "0.1.0"
