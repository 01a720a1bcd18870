"""Rust bindings of a world: a crate to program against, over the C bindings of the same world."""
