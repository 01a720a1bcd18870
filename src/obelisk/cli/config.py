"""``obelisk config check``: whether the configuration can be used, and what all of its settings then are."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import msgspec

from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.settings import DEFAULT_NAME, config_option, read_config
from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.wiring.config import ComponentConfig, Config

_SECRET: Final = re.compile(r"(token|secret|password|passwd|key)\Z", re.IGNORECASE)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_HIDDEN: Final = "(hidden)"

config = click.Group("config", help="Check and show the configuration.")


@config.command()
@config_option
@console.json_option
def check(config_path: Path | None, as_json: bool) -> None:
    """Check the configuration file and show every setting with its effective value, secrets hidden.

    What is wrong is named with file and key, and with exit status 3. Component files must be there; what is in them is
    not looked at. Values of variables whose names end in token, secret, password or key are hidden.
    """
    file = config_path or Path(DEFAULT_NAME)
    read = read_config(config_path)
    for component in read.components:
        if not (component.path.exists() if component.is_wit else component.path.is_file()):
            where = f"component.{component.name}.{'wit' if component.is_wit else 'path'}"
            raise CommandError("config_invalid", f"{file}: {where}: there is no file {component.path}", key=where)
    shown = effective(read)
    if as_json:
        console.value({"file": str(file) if file.exists() else None, "settings": shown})
        return
    console.note(f"{file} is good" if file.exists() else f"there is no {file}: all settings have their defaults")
    for line in _lines(shown, ()):
        console.say(line)


def effective(read: Config) -> dict[str, object]:
    """All settings as the file would write them, defaults filled in and paths resolved; secrets are hidden."""
    sections = {
        field.name: msgspec.to_builtins(value)
        for field in dataclasses.fields(read)
        if isinstance(value := getattr(read, field.name), msgspec.Struct)
    }
    sections |= {name: section for name, section in msgspec.to_builtins(read.ceiling).items() if section}
    sections["store"]["path"] = str(read.database)
    sections["server"]["token_file"] = str(read.tokens)
    sections["cache"] = {**sections.pop("cache_bounds"), "path": str(read.cache)}
    components = {component.name: _component(component) for component in read.components}
    shown = sections | ({"component": components} if components else {})
    return {name: _without_secrets(section, name) for name, section in shown.items()}


def _component(component: ComponentConfig) -> dict[str, Any]:
    settings = ComponentSettings.read(msgspec.json.encode(component.settings), component.name)
    given: dict[str, Any] = msgspec.to_builtins(settings)
    return {"wit" if component.is_wit else "path": str(component.path), **given}


def _without_secrets(value: object, name: str = "") -> object:
    """The value without texts that go by the name of a secret. In a table `secrets` stand names alone."""
    if name == "secrets":
        return value
    if isinstance(value, str) and value and _SECRET.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        return {key: _without_secrets(item, key) for key, item in cast("dict[str, object]", value).items()}
    return value


def _lines(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    """A table as TOML shows it; a setting that is not set is a comment."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{'.'.join(_key(key) for key in path)}]"] if path and (plain or not table) else []
    for key, value in plain.items():
        lines.append(f"# {key} is not set" if value is None else f"{key} = {_toml(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _lines(cast("dict[str, object]", value), (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE.match(key) else _toml(key)


def _toml(value: object) -> str:
    """A value in one line, as TOML writes it; what is not set is left out of a table."""
    if isinstance(value, dict):
        given = {key: item for key, item in cast("dict[str, object]", value).items() if item is not None}
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in given.items()) + " }" if given else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in cast('Sequence[object]', value))}]"
    return msgspec.json.encode(value).decode()
