"""The module ``validators.py`` of a generated package: compiled validators of all its functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.emit.validators import ValidatorWriter
from obelisk.codegen.emit.writer import render, slug
from obelisk.codegen.model import checks

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def validator_module(folder: str, title: str, endpoints: Sequence[Endpoint], stamp: str) -> str:
    """The source; `title` is the package as documentation calls it."""
    writer = ValidatorWriter()
    rows = [
        (str(endpoint.ffqn), writer.params(endpoint.function, f"{name}_params"), writer.value(result, f"{name}_result"))
        for endpoint in endpoints
        for name in [slug(f"{endpoint.ffqn.interface.name}_{endpoint.function.name}")]
        for result in [endpoint.function.result]
    ]
    body = render("validators.py.j2", functions=writer.source().rstrip("\n"), rows=rows)
    scope = Scope((folder, "validators"))
    import_checks(scope, body)
    summary = (
        f"Validators of `{title}`.\n\n"
        "Each takes a JSON value and gives its canonical form, or None, and all problems. Those of parameters take an\n"
        "object of named parameters or an array."
    )
    gap = "\n\n" if body.startswith("def") else "\n"
    return module(stamp, summary, scope.imports(), gap + body)


def import_checks(scope: Scope, body: str) -> None:
    """Import what the source of validators uses."""
    used = set(_WORD.findall(_STRING.sub("", body)))
    for name in used & set(checks.__all__):
        scope.value(name)
    for name in used & {"Any", "Final"}:
        scope.use("typing", name)
