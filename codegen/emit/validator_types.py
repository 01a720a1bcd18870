"""The body of the function that checks one composite type, as Python source. Used by `emit.validators` alone.

Inside the function `value` is what is checked, `path` its place, `problems` where faults go. The function returns the
canonical value; what it returns for a faulty one is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from obelisk.codegen.emit.writer import Block, literal
from obelisk.codegen.model.json_form import is_text_map, json_name
from obelisk.codegen.model.types import (
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)

MANY: Final = 32
"""Cases of a variant, past which they stand in a table: type checkers narrow a value again at each test of its name,
which takes them time in the square of the tests, and give up."""


class Slots(Protocol):
    """What is asked of `validators.ValidatorWriter`: see there."""

    def slot(self, block: Block, name: str, type_: Type | None, path: str) -> bool:
        """Check a variable in place."""
        ...

    def fields(self, block: Block, source: str, path: str, expected: str, fields: Sequence[tuple[str, Type]]) -> str:
        """Fetch fields into variables."""
        ...

    def names(self, labels: Sequence[str], of: str) -> str:
        """A constant set."""
        ...

    def table(self, cases: Sequence[tuple[str, Type]], of: str) -> str:
        """A constant with the checks of payloads by their cases."""
        ...


class CompositeWriter:
    """Writes into `block`; `text` is the type as messages call it."""

    def __init__(self, slots: Slots, block: Block, text: str) -> None:
        self._slots = slots
        self._block = block
        self._text = text

    def write(self, type_: Type) -> None:
        """Write the body for an unaliased type other than a primitive, ``list<u8>`` or a plain option."""
        match type_:
            case RecordType():
                self._record(type_)
            case VariantType():
                self._variant(type_)
            case EnumType(cases):
                self._enum([json_name(case.name) for case in cases])
            case FlagsType(flags):
                self._flags([json_name(flag.name) for flag in flags])
            case ListType(element):
                self._list(element)
            case FixedListType(element, length):
                self._list(element, length)
            case TupleType(items):
                self._tuple(items)
            case MapType() if is_text_map(type_):
                self._text_map(type_.value)
            case MapType():
                self._pair_map(type_)
            case OptionType(payload):
                self._option(payload)
            case ResultType():
                self._result(type_)
            case _:
                raise AssertionError(f"no composite type with a JSON form: {self._text}")

    def _refuse(self, test: str, call: str = "refuse", *more: str) -> None:
        with self._block.under(f"if {test}:"):
            self._give_up(call, *more)

    def _give_up(self, call: str, *more: str) -> None:
        self._report(call, "path", "value", *more)
        self._block.add("return None")

    def _report(self, call: str, path: str, value: str, *more: str) -> None:
        self._block.listed(f"{call}(", ["problems", path, value, literal(self._text), *more], ")", call=True)

    def _record(self, type_: RecordType) -> None:
        fields = [(json_name(field.name), field.type) for field in type_.fields]
        self._refuse("type(value) is not dict")
        self._slots.fields(self._block, "value", "path", self._text, fields)
        for label, field_type in fields:
            self._slots.slot(self._block, f"{label}_", field_type, f"(path, {literal(label)})")
        self._block.listed("return {", [f"{literal(label)}: {label}_" for label, _ in fields], "}")

    def _variant(self, type_: VariantType) -> None:
        bare = [json_name(case.name) for case in type_.cases if case.payload is None]
        laden = [(json_name(case.name), case.payload) for case in type_.cases if case.payload is not None]
        known = ["NO_NAMES", "NO_NAMES"]
        if bare:
            known[0] = self._slots.names(bare, self._text)
            with self._block.under(f"if type(value) is str and value in {known[0]}:"):
                self._block.add("return value")
        if laden:
            known[1] = self._slots.names([label for label, _ in laden], f"{self._text}_payload")
            with self._block.under("if type(value) is dict and len(value) == 1:"):
                self._block.add("[(case, item)] = value.items()")
                if len(type_.cases) > MANY:
                    self._block.add(f"check = {self._slots.table(laden, self._text)}.get(case)")
                    with self._block.under("if check is not None:"):
                        self._block.add("return {case: check(item, (path, case), problems)}")
                else:
                    self._laden(laden)
        self._give_up("refuse_case", *known)

    def _laden(self, laden: Sequence[tuple[str, Type]]) -> None:
        for label, payload in laden:
            with self._block.under(f"if case == {literal(label)}:"):
                self._slots.slot(self._block, "item", payload, f"(path, {literal(label)})")
                self._block.add(f"return {{{literal(label)}: item}}")

    def _enum(self, labels: Sequence[str]) -> None:
        known = self._slots.names(labels, self._text)
        self._refuse(f"type(value) is not str or value not in {known}", "refuse_name", known)
        self._block.add("return value")

    def _flags(self, labels: Sequence[str]) -> None:
        known = self._slots.names(labels, self._text)
        block = self._block
        self._refuse("type(value) is not list", "refuse_name", known)
        block.add("seen: set[str] = set()")
        with block.under("for index, item in enumerate(value):"):
            with block.under(f"if type(item) is not str or item not in {known}:"):
                self._report("refuse_name", "(path, index)", "item", known)
            with block.under("elif item in seen:"):
                self._report("refuse_duplicate", "(path, index)", "item")
            with block.under("else:"):
                block.add("seen.add(item)")
        block.add(f"return [name for name in {known} if name in seen]")

    def _list(self, element: Type, length: int | None = None) -> None:
        block = self._block
        if length is None:
            self._refuse("type(value) is not list")
        else:
            self._refuse(f"type(value) is not list or len(value) != {length}", "refuse_length", str(length))
        inner = Block()
        stays = self._slots.slot(inner, "item", element, "(path, index)")
        if not stays:
            block.add("items: list[JsonValue] = []")
        with block.under("for index, item in enumerate(value):"):
            block.add(*inner.lines)
            if not stays:
                block.add("items.append(item)")
        block.add("return value" if stays else "return items")

    def _tuple(self, items: tuple[Type, ...]) -> None:
        names = [f"item_{index}" for index in range(len(items))]
        self._refuse(f"type(value) is not list or len(value) != {len(items)}", "refuse_length", str(len(items)))
        if items:
            self._block.listed("[", names, "] = value")
        for index, item in enumerate(items):
            self._slots.slot(self._block, names[index], item, f"(path, {index})")
        self._block.listed("return [", names, "]")

    def _text_map(self, item: Type) -> None:
        block = self._block
        self._refuse("type(value) is not dict")
        block.add("entries: dict[str, JsonValue] = {}")
        with block.under("for key, item in value.items():"):
            with block.under("if not is_text(key):"):
                block.add('refuse(problems, (path, key), key, "string")')
            self._slots.slot(block, "item", item, "(path, key)")
            block.add("entries[key] = item")
        block.add("return entries")

    def _pair_map(self, type_: MapType) -> None:
        block = self._block
        self._refuse("type(value) is not list")
        block.add("entries: list[JsonValue] = []", "seen: set[object] = set()")
        with block.under("for index, pair in enumerate(value):"):
            block.add("place = (path, index)")
            with block.under("if type(pair) is not list or len(pair) != 2:"):
                self._report("refuse_length", "place", "pair", "2")
                block.add("continue")
            block.add("[key, item] = pair")
            self._slots.slot(block, "key", type_.key, "(place, 0)")
            self._slots.slot(block, "item", type_.value, "(place, 1)")
            with block.under("if identity(key) in seen:"):
                self._report("refuse_duplicate", "(place, 0)", "key")
            block.add("seen.add(identity(key))", "entries.append([key, item])")
        block.add("return entries")

    def _option(self, payload: Type) -> None:
        block = self._block
        with block.under("if value is None:"):
            block.add("return None")
        self._refuse('type(value) is not dict or len(value) != 1 or "some" not in value', "refuse_option")
        block.add('item = value["some"]')
        self._slots.slot(block, "item", payload, '(path, "some")')
        block.add('return {"some": item}')

    def _result(self, type_: ResultType) -> None:
        block = self._block
        with block.under("if type(value) is dict and len(value) == 1:"):
            for label, payload in (("ok", type_.ok), ("err", type_.err)):
                with block.under(f'if "{label}" in value:'):
                    block.add(f'item = value["{label}"]')
                    self._slots.slot(block, "item", payload, f'(path, "{label}")')
                    block.add(f'return {{"{label}": item}}')
        self._give_up("refuse_case", "NO_NAMES", "SIDES")
