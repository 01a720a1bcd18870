"""Python names for WIT labels: idiomatic, stable, never a keyword, never one that hides a builtin type in a class.

Each function maps one label and knows no neighbours, so that what is added to a package renames nothing that was there.
Labels of one interface differ by more than case and dashes (`model.names.sameness`), and so do the names that come of
them. Those of interfaces and packages may differ in dashes alone: `json_schema.title_word` keeps them apart.
"""

from __future__ import annotations

import keyword
from typing import Final

from obelisk.codegen.emit.json_schema import pascal
from obelisk.codegen.model.json_form import json_name

BUILTIN_TYPES: Final = frozenset({"bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple"})
"""What annotations use. A field of such a name would hide the type from the fields after it."""

CLASS_WORDS: Final = (
    "Any",
    "Case",
    "CaseOf",
    "Enum",
    "Err",
    "Flag",
    "GuestObject",
    "Handler",
    "Handles",
    "JsonValue",
    "Caller",
    "Ok",
    "Protocol",
    "Resource",
    "Some",
    "TypeAlias",
    "WitForm",
    "WitValue",
)
"""Names that generated modules import; a class from WIT never takes one."""


def class_name(label: str) -> str:
    """``booking-error`` → ``BookingError``; ``ok`` → ``Ok_``, as generated modules import an ``Ok``."""
    name = pascal(label)
    return f"{name}_" if name in CLASS_WORDS else _escape(name)


def case_name(variant: str, label: str) -> str:
    """The class of a case: ``BookingError_SoldOut``. Types have no underscore between words: no other class has it."""
    return f"{variant}_{pascal(label)}"


def function_class_name(client: str, label: str) -> str:
    """The class of a function in a client: ``OrdersClient_Place``. No other class has an underscore there."""
    return f"{client}_{pascal(label)}"


def attribute_name(label: str) -> str:
    """``price-cents`` → ``price_cents``, ``class`` → ``class_``: fields, parameters, methods."""
    name = json_name(label)
    return f"{name}_" if name in BUILTIN_TYPES or name == "self" else _escape(name)


def field_name(label: str) -> str:
    """As `attribute_name`, and never a method that all generated classes have (`runtime.forms.WitValue`)."""
    name = attribute_name(label)
    return f"{name}_" if name in ("to_json", "from_json") else name


def form_name(label: str) -> str:
    """``BOOKING_ERROR_FORM``: the constant with a type's JSON form."""
    return f"{json_name(label).upper()}_FORM"


def member_name(label: str) -> str:
    """``late-checkout`` → ``LATE_CHECKOUT``: members of enums and flags."""
    return json_name(label).upper()


def module_name(label: str) -> str:
    """``workflow-support`` → ``workflow_support``."""
    return _escape(json_name(label))


def parameter_name(label: str) -> str:
    """As `attribute_name`, and never the name of a function that converts values."""
    name = attribute_name(label)
    return f"{name}_" if name.endswith(("_to_json", "_from_json")) else name


def converter_name(label: str, way: str) -> str:
    """``booking_error_to_json``; `way` is ``to`` or ``from``."""
    name = json_name(label)
    # The runtime's own float_to_json and bytes_to_json are imported; no label has two underscores in a row.
    return f"{name}__{way}_json" if name in ("float", "bytes") else f"{name}_{way}_json"


def _escape(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name
