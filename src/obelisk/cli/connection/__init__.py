"""The gateway that a command speaks to, over HTTP or in this process."""
