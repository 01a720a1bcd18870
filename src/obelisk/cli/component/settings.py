"""The settings of components on the command line: read, kept from what is deployed, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from obelisk.cli.errors import CommandError
from obelisk.gateway.views import components as component_views
from obelisk.runtime import json_text
from obelisk.runtime.catalog.settings import ComponentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Which settings a component is deployed with: those `given`, over those it came with or else has now."""

    given: Mapping[str, object]
    deployed: Mapping[str, component_views.ComponentView]

    def of(self, name: str, came: Mapping[str, object] | None) -> dict[str, object]:
        """The settings of the component `name`; `came`: those of its project, None when it is of none."""
        current = self.deployed.get(name)
        kept = {} if current is None else _not_default(current.settings)
        return {**(kept if came is None else came), **self.given}


def changes(before: component_views.ComponentView | None, after: component_views.ComponentView) -> Sequence[str]:
    """What is another than it was, a line each: the kind, and settings."""
    if before is None:
        return ()
    lines = [] if before.kind == after.kind else [f"kind: {before.kind} → {after.kind}"]
    old, new = _as_json(before.settings), _as_json(after.settings)
    return lines + [
        f"{key}: {_text(old.get(key))} → {_text(new.get(key))}"
        for key in sorted({*old, *new} - {"kind"})
        if old.get(key) != new.get(key)
    ]


def in_flight(shown: component_views.ComponentView) -> str:
    """How many executions have not finished, by build: ``3 + 2 of sha256:…``, those of the deployed build first."""
    here = sum(build.executions for build in shown.in_flight if build.digest in (None, shown.digest))
    rest = [f"{build.executions} of {(build.digest or '')[:19]}" for build in _earlier(shown)]
    return " + ".join([str(here), *rest])


def others(shown: component_views.ComponentView) -> Sequence[str]:
    """The executions in flight that another build than the deployed one began, a line each."""
    policy = shown.settings["upgrade"]
    return [f"in flight: {b.executions} of {b.digest} (upgrade = {policy})" for b in _earlier(shown)]


def summed_up(check: component_views.BuildCheck) -> str:
    """What a check found, in one line."""
    rest = f", {check.unchecked} not replayed" if check.unchecked else ""
    return f"does not fit {len(check.misfits)} of {check.checked} executions in flight{rest}"


def _earlier(shown: component_views.ComponentView) -> list[component_views.BuildInUse]:
    return [build for build in shown.in_flight if build.digest not in (None, shown.digest)]


def _not_default(settings: Mapping[str, Any]) -> dict[str, object]:
    defaults = _as_json(ComponentSettings())
    return {key: value for key, value in _as_json(settings).items() if value != defaults.get(key)}


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def changed(settings: Mapping[str, Any]) -> list[str]:
    """The settings that are not the default, one a line; of a table the keys that are not.

    What a server sent was JSON, what a database has was not: both are compared as JSON.
    """
    return _differing(_as_json(settings), _as_json(ComponentSettings()), "")


def _differing(settings: Mapping[str, Any], defaults: Mapping[str, Any], above: str) -> list[str]:
    lines: list[str] = []
    for key, value in settings.items():
        default = defaults.get(key)
        if default and isinstance(default, dict):  # a table whose keys are known, unlike `env`
            lines += _differing(value, cast("Mapping[str, Any]", default), f"{above}{key}.")
        elif value != default:
            lines.append(f"{above}{key} = {msgspec.json.encode(value).decode()}")
    return lines


def _as_json(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def given(pairs: tuple[str, ...]) -> dict[str, object]:
    """``KEY=VALUE`` pairs; a value is JSON where it is JSON, else text."""
    settings: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise CommandError("config_invalid", f'--set: expected KEY=VALUE, found "{pair}"')
        settings[key] = _setting(text)
    return settings


def _setting(text: str) -> Any:
    try:
        return json_text.decode(text)
    except json_text.NotJson:
        return text
