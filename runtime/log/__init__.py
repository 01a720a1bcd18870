"""The execution log: event types, their encoding and the fold that gives an execution's state."""
