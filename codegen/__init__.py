"""The WIT compiler: text or binary in, a resolved model out, and everything generated from it."""

if __name__ != "obelisk.codegen":
    raise ImportError("import obelisk.codegen, not codegen")
