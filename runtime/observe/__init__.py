"""What the process says of itself: metrics, traces, whether its store takes writes."""
