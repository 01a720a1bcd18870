"""The HTTP gateway: typed endpoints over the runtime use cases."""

if __name__ != "obelisk.gateway":
    raise ImportError("import obelisk.gateway, not gateway")
