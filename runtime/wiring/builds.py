"""What `obelisk build` makes: the tables ``[build.NAME]``, and components that name their source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from obelisk.runtime.wiring.tables import Section, convert, refusal


class BuildConfig(Section, frozen=True, kw_only=True):
    """``[build.NAME]``: what `obelisk build` makes the file of ``[component.NAME]`` from.

    `source` is the file to begin with (for C: every ``.c`` file next to it belongs to it too; for Rust: the root of the
    crate), `world` what it implements, as ``ns:pkg/world``: of Python, without one, it follows from the code. `wit`
    lists folders of the packages that the application declares, for which extensions are generated into `generated`;
    `worlds` those that may use the extensions. `wasi` false leaves a component without WASI: what it prints, clocks and
    random numbers trap then. `engine` runs JavaScript.
    """

    language: Literal["python", "javascript", "c", "rust"]
    source: str
    world: str = ""
    wit: tuple[str, ...] = ("wit",)
    worlds: tuple[str, ...] = ("worlds",)
    generated: str = "generated"
    engine: Literal["quickjs", "starlingmonkey"] = "quickjs"
    wasi: bool = True


def read_builds(tables: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, BuildConfig]:
    """The builds by name: tables of ``[build.…]``, and of ``[component.…]`` those with a `source`. ConfigError."""
    builds = {name: convert(keys, BuildConfig, f"build.{name}") for name, keys in tables.items()}
    for name, keys in components.items():
        source = cast("dict[str, object]", keys).get("source") if isinstance(keys, dict) else None
        if source is None:
            continue
        where = f"component.{name}.source"
        if name in builds:
            raise refusal(where, f"either a source here or [build.{name}], not both")
        if not isinstance(source, str) or not source.endswith(".py"):
            raise refusal(where, f'expected a file of Python, as "src/flow.py"; other languages have [build.{name}]')
        builds[name] = BuildConfig(language="python", source=source)
    for name, build in builds.items():
        if not build.world and build.language != "python":
            raise refusal(f"build.{name}.world", "missing the key `world`: only that of Python follows from the code")
    return builds
