"""C bindings of a world: a header to program against and a source that speaks the canonical ABI."""
