"""The durable runtime: an append-only execution log, a pure replay machine, and the shell that runs guests."""

if __name__ != "obelisk.runtime":
    raise ImportError("import obelisk.runtime, not runtime")
