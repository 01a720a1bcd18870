"""Where the parts are put together, and the real world behind the ports."""
