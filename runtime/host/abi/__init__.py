"""Component values to and from their canonical JSON form."""
