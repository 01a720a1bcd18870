"""Typechecking of what a client sends: a long value on a thread, so that the event loop is left to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar, cast

from obelisk.codegen.model.problems import Problem
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.json_text import JsonValue, entries

T = TypeVar("T")
LONG: Final = 4096
"""Entries of a value that is checked at once."""


async def params_of(function: DeployedFunction, value: object) -> tuple[list[object] | None, tuple[Problem, ...]]:
    """As `DeployedFunction.check_params`."""
    return await _done(partial(function.check_params, value), value)


async def result_of(function: DeployedFunction, value: object) -> tuple[object, tuple[Problem, ...]]:
    """As `DeployedFunction.check_result`."""
    return await _done(partial(function.check_result, value), value)


async def _done(check: Callable[[], T], value: object) -> T:
    return check() if entries(cast("JsonValue", value), LONG) <= LONG else await asyncio.to_thread(check)
