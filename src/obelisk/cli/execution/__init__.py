"""``obelisk execution``: one module per topic."""
