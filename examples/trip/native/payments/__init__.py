"""The payment activity of the trip example, outside the engine."""
