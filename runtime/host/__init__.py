"""The only place that touches wasmtime."""
