"""The resolved model of WIT that every emitter and the runtime read."""
