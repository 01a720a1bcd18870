"""The reference of `obelisk.toml`, from the classes that read it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from obelisk.runtime.catalog.settings import BOUNDS, ComponentSettings
from obelisk.runtime.ports import access
from obelisk.runtime.wiring import builds, config

_INTRODUCTION: Final = """# Configuration

One file, `obelisk.toml`: in the current folder, or named with `--config`. Every key has a default, so an empty file
is a valid one; an unknown key is refused. Relative paths start from the folder of the file. The names of keys that
are durations or sizes end in their unit. `obelisk config check` reads the file, names what is wrong with file and
key, and shows every setting with its effective value, secrets hidden.

    [server]
    listen = "127.0.0.1:8080"

    [component.fibo]
    path = "fibo.wasm"
    max_retries = 3

The same settings of a component are given on the command line as `obelisk component add fibo.wasm --set
max_retries=3`.
"""
_SHOWN_AS: Final = {
    "ServerHttp": "http",
    "SecretSource": "secrets.NAME",
    "DirectorySource": "directories.NAME",
    "ComponentHttp": "component.NAME.http",
}


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for name, section in _sections():
        parts += [f"## [{name}]", "", _text(section), "", *_keys(section, paths=name == "component.NAME"), ""]
    parts += ["## An entry of `allow`", "", _text(access.HttpRule), "", *_keys(access.HttpRule, paths=False), ""]
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The tables of the file: those with fixed names in its order, then those by name, then components."""
    for field in msgspec.structs.fields(config.File):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield field.name, field.type
    yield "secrets.NAME", access.SecretSource
    yield "directories.NAME", access.DirectorySource
    yield "component.NAME", ComponentSettings
    yield "component.NAME.http", access.ComponentHttp
    yield "build.NAME", builds.BuildConfig
    yield "worker.NAME", config.WorkerConfig


def _text(section: type[msgspec.Struct]) -> str:
    text = inspect.cleandoc(section.__doc__ or "").replace("``", "`")
    text = text.replace("docs/security.md", "[security](../security.md)")
    said = text.partition("`: ")[2] if text.startswith("`[") and "`: " in text else text
    return said[:1].upper() + said[1:]


def _keys(section: type[msgspec.Struct], *, paths: bool) -> list[str]:
    rows = ["| key | type | default |", "|---|---|---|"]
    if paths:
        rows.append("| `path` | string | needed, or `source` or `wit`; with a source it is `build/NAME.wasm` |")
        rows.append("| `source` | string | the file of Python that `obelisk build` makes the component from |")
        rows.append("| `wit` | string | of the kinds `external` and `stub`: a `.wit` file or the folder of a package |")
    for field in msgspec.structs.fields(section):
        type_ = msgspec.inspect.type_info(field.type)
        if section is ComponentSettings and field.name in BOUNDS:
            low, high = BOUNDS[field.name]
            type_ = msgspec.inspect.IntType(ge=low, le=high)
        if isinstance(type_, msgspec.inspect.StructType):
            shown = f"table, see `[{_SHOWN_AS.get(type_.cls.__name__, field.name)}]`"
            rows.append(f"| `{field.name}` | {shown} | |")
        else:
            rows.append(f"| `{field.name}` | {_type(type_)} | {_default(field)} |")
    return rows


def _default(field: Any) -> str:
    if field.required:
        return "needed"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if default is None:
        return "not set"
    return f"`{msgspec.json.encode(default).decode()}`"


def _type(type_: Any) -> str:
    """A type in words, with its bounds."""
    inspected = msgspec.inspect
    match type_:
        case inspected.BoolType():
            return "`true`, `false`"
        case inspected.IntType() | inspected.FloatType():
            word = "integer" if isinstance(type_, inspected.IntType) else "number"
            bounds = [f"from {type_.ge:,}" if type_.ge is not None else "", f"to {type_.le:,}" if type_.le else ""]
            return " ".join([word, *(bound for bound in bounds if bound)])
        case inspected.LiteralType():
            return ", ".join(f'`"{value}"`' for value in type_.values)
        case inspected.UnionType():
            return " or ".join(_type(part) for part in type_.types if not isinstance(part, inspected.NoneType))
        case inspected.VarTupleType() | inspected.ListType():
            return f"array: {_type(type_.item_type)}"
        case inspected.DictType():
            return f"table: {_type(type_.value_type)}"
        case inspected.StructType():
            return "table, see below"
        case _:
            return "string"
