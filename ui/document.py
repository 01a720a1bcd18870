"""The OpenAPI document of every server, without functions: the types of the interface's client are made of it."""

from __future__ import annotations

import importlib
import json
import pkgutil

from obelisk.gateway import routes
from obelisk.gateway.document import openapi
from obelisk.gateway.document.operations import Operation
from obelisk.runtime.catalog.registry import Registry


def text() -> str:
    """The document as JSON."""
    names = [f"obelisk.gateway.routes.{info.name}" for info in pkgutil.iter_modules(routes.__path__)]
    operations = {
        value.id: value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, Operation)
    }
    # The version of the engine changes with every release, the routes do not.
    return json.dumps(openapi.document(Registry(), tuple(operations.values()), version="0", authenticated=True))
