"""wasmtime itself: its C functions, engines, pools, caches and room for guests."""
