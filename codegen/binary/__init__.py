"""Component binaries decoded to a Resolution."""
