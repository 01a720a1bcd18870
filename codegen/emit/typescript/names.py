"""TypeScript names for WIT labels, and documentation as JSDoc.

Each function maps one label and knows no neighbours, so that what is added to a package renames nothing that was there.
Fields, cases and parameters keep their JSON names; a name of two items has an underscore, which no other name has.
"""

from __future__ import annotations

import re
from typing import Final

from obelisk.codegen.emit.json_schema import pascal, title_word
from obelisk.codegen.emit.writer import visible_lines

METHODS_TAKEN: Final = frozenset({"constructor", "then"})
"""A class has the first, and what has the second is taken for a promise."""
_TAG: Final = re.compile(r"(^|\{)(\s*)@")


def type_name(label: str) -> str:
    """``booking-error`` → ``BookingError``, of a type and of the constant that reads and writes its values."""
    return pascal(label)


def client_name(interface: str) -> str:
    """``WorkflowClient``."""
    return f"{title_word(interface)}Client"


def params_name(interface: str, function: str) -> str:
    """``Workflow_BookTrip_Params``."""
    return f"{title_word(interface)}_{pascal(function)}_Params"


def method_name(label: str) -> str:
    """``book-trip`` → ``bookTrip``."""
    first, _, rest = label.partition("-")
    name = first.lower() + pascal(rest)
    return f"{name}_" if name in METHODS_TAKEN else name


def jsdoc(text: str, deprecated: str = "") -> list[str]:
    """The lines of a comment for tools; none for no text. They are inert, whatever `text` holds.

    What would end the comment, or would be a tag, gets a backslash.
    """
    lines = [_TAG.sub(r"\1\2\\@", line).replace("*/", "*\\/") for line in visible_lines(text)] if text.strip() else []
    if deprecated:
        lines += [*([""] if lines else []), f"@deprecated Since {' '.join(visible_lines(deprecated))}."]
    if len(lines) == 1:
        return [f"/** {lines[0]} */"]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"] if lines else []
