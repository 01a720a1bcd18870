"""``obelisk component``: deploy components into the database of a configuration, and list what is deployed."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import click
import msgspec

from obelisk.cli import console
from obelisk.cli.client import Client, checked
from obelisk.cli.errors import CommandError
from obelisk.cli.settings import config_option, read_config
from obelisk.gateway import views
from obelisk.runtime.bootstrap import open_runtime
from obelisk.runtime.config import Config, check_settings, is_component_name

component = click.Group("component", help="Deploy components and list them.")


@component.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="The component's name. Default: the file's, without its ending.")
@click.option("--kind", type=click.Choice(["workflow", "activity"]), help="Default: what its imports make it.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting, as max_retries=3; repeatable.")
@config_option
@console.json_option
def add(
    path: Path, name: str | None, kind: str | None, settings: tuple[str, ...], config_path: Path | None, as_json: bool
) -> None:
    """Deploy the component in PATH (binary or text), replacing one of the same name.

    Works on the database file itself. A server that runs on it picks the component up within a few seconds. All
    imports must be answered by what is deployed already: add activities before the workflows that call them.
    """
    chosen = name or path.stem
    if path.is_dir():
        raise CommandError("component_invalid", f"{path} is a folder", hint="name the component's file")
    if not is_component_name(chosen):
        raise CommandError("config_invalid", f'"{chosen}" is no name for a component', hint="give one with --name")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CommandError("file_not_found", f"{path}: there is no such file") from None
    except OSError as error:
        raise CommandError("component_invalid", f"{path}: {error.strerror}") from None
    given = _settings(settings) | ({"kind": kind} if kind else {})
    check_settings(given, where="--set")
    config = dataclasses.replace(read_config(config_path), components=())
    shown = asyncio.run(_add(config, chosen, content, given))
    if as_json:
        console.value(shown)
        return
    click.echo(f"{shown.kind} {shown.name} {shown.digest}")
    for ffqn in shown.functions:
        click.echo(f"  {ffqn}")
    console.note(f"deployed in {config.database}; serve it with `obelisk executor serve`")


@component.command(name="list")
@config_option
@click.option("--url", envvar="OBELISK_URL", help="Ask this server instead of the database file; or set OBELISK_URL.")
@console.json_option
def list_(config_path: Path | None, url: str | None, as_json: bool) -> None:
    """List what is deployed in the database of the configuration, or by the server of --url."""
    if url is not None:
        items = msgspec.convert(checked(Client(url).get("/v1/components"))["items"], list[views.ComponentView])
    else:
        config = dataclasses.replace(read_config(config_path), components=())
        items = asyncio.run(_list(config)) if config.database.exists() else []
        if not items:
            console.note(f"nothing is deployed in {config.database}; try `obelisk component add PATH`")
    if as_json:
        console.value(views.Components(items=items))
        return
    if items:
        rows = [(item.name, item.kind, item.digest[:19], " ".join(item.exports)) for item in items]
        console.table(("name", "kind", "digest", "exports"), rows)


async def _add(config: Config, name: str, content: bytes, settings: dict[str, object]) -> views.ComponentView:
    async with open_runtime(config, execute=False) as runtime:
        await runtime.api.add_component(name, content, settings)
        registry = runtime.api.registry
        added = registry.component(name)
        assert added is not None
        return views.component(added, registry)


async def _list(config: Config) -> list[views.ComponentView]:
    async with open_runtime(config, execute=False) as runtime:
        registry = runtime.api.registry
        return [views.component(component, registry) for component in registry.components]


def _settings(given: tuple[str, ...]) -> dict[str, object]:
    """``KEY=VALUE`` pairs; a value is JSON where it is JSON, else text."""
    settings: dict[str, object] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise CommandError("config_invalid", f'--set: expected KEY=VALUE, found "{pair}"')
        settings[key] = _setting(text)
    return settings


def _setting(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
