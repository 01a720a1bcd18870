"""What is shown, as JSON. Pure."""
