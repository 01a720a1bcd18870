"""What Schemathesis is told beyond its configuration; it loads this module by its name.

Version 4.32 makes combinations of three optional headers with a value that does not match the header's own pattern, and
expects them to be accepted. They are left out; the same header is fuzzed in every other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

import schemathesis

UNKNOWN: Final = "x-schemathesis-unknown"
"""A header that is made to be refused; but a request may have any header besides those that an operation knows."""

_hook: Final = cast("Callable[[Callable[..., bool]], object]", schemathesis.hook)  # pyright: ignore[reportUnknownMemberType]


@_hook
def filter_case(_: Any, case: Any) -> bool:
    """Whether a case that is said to be valid has headers as the document wants them."""
    given = {str(name): str(text) for name, text in cast("dict[str, Any]", case.headers or {}).items()}
    if any(name.lower().startswith(UNKNOWN) for name in given):
        return False
    if isinstance(case.body, list) and case.operation.path.startswith("/v1/functions/"):
        return False  # parameters in order: accepted, and not described
    if case.meta is None or case.meta.generation.mode.value != "positive":
        return True
    patterns = {
        str(parameter.name): str(parameter.definition["schema"]["pattern"])
        for parameter in case.operation.headers
        if "pattern" in parameter.definition.get("schema", {})
    }
    return all(re.search(pattern, given[name]) for name, pattern in patterns.items() if name in given)
