"""Typechecking of what a client sends: a long value on a thread, so that the event loop is left to the others."""

from __future__ import annotations

import asyncio
from typing import Final

from obelisk.codegen.model.problems import Problem
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.json_text import entries

LONG: Final = 4096
"""Entries of a value that is checked at once."""


async def params_of(function: DeployedFunction, value: object) -> tuple[list[object] | None, tuple[Problem, ...]]:
    """As `DeployedFunction.check_params`."""
    if entries(value, LONG) > LONG:
        return await asyncio.to_thread(function.check_params, value)
    return function.check_params(value)


async def result_of(function: DeployedFunction, value: object) -> tuple[object, tuple[Problem, ...]]:
    """As `DeployedFunction.check_result`."""
    if entries(value, LONG) > LONG:
        return await asyncio.to_thread(function.check_result, value)
    return function.check_result(value)
