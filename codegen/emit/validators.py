"""Compiled validators: Python source that checks a JSON object against WIT types and gives its canonical form.

One function of source per composite type, primitives tested in line; the same source stands in a generated package
and is executed by `compile_params` and `compile_value` at run time. What is accepted and what canonical means is
ARCHITECTURE §6 and `model.json_form`. A validator shares parts of its input with its output: do not change the input
afterwards. Types without JSON form raise `json_form.UnsupportedType`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Final, cast

from obelisk.codegen.emit.validator_types import CompositeWriter
from obelisk.codegen.emit.writer import Block, NameTable, docstring, literal, slug
from obelisk.codegen.model import checks
from obelisk.codegen.model.checks import ParamsValidator, ValueValidator
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.json_form import (
    INTEGER_RANGES,
    WIDE_INTEGERS,
    is_bytes,
    is_nullable,
    json_name,
    require_json_form,
    wit_text,
)
from obelisk.codegen.model.types import (
    EnumType,
    FixedListType,
    FlagsType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    Type,
    TypeDef,
    VariantType,
    definition,
    parts,
    unalias,
)

__all__ = ["ParamsValidator", "ValidatorWriter", "ValueValidator", "compile_params", "compile_value", "signature_text"]

NAMED: Final = (RecordType, VariantType, EnumType, FlagsType)
"""Bodies of types that always have a name."""

_HEAD: Final = "from __future__ import annotations\nfrom typing import Any, Final\n"
_REFUSED_WHEN: Final = {
    Primitive.BOOL: "type({0}) is not bool",
    Primitive.CHAR: 'type({0}) is not str or len({0}) != 1 or "\\ud800" <= {0} <= "\\udfff"',
    Primitive.STRING: "type({0}) is not str or not ({0}.isascii() or is_text({0}))",
    **{p: f"type({{0}}) is not int or not {low} <= {{0}} <= {high}" for p, (low, high) in INTEGER_RANGES.items()},
}
_SLOW: Final = {
    # Subtracted from itself only a finite number gives zero.
    Primitive.F64: ("type({0}) is not float or {0} - {0} != 0.0", "number"),
    **{p: (_REFUSED_WHEN[p], "wide_integer") for p in WIDE_INTEGERS},
}
"""Types of which most values are canonical: when one is not, and what makes it so or refuses it."""


def compile_params(function: Function) -> ParamsValidator:
    """The validator of a function's parameters, named (a JSON object, snake_case) or positional (an array).

    It gives the canonical values in order, or None and all problems. `UnsupportedType` when one has no JSON form.
    """
    writer = ValidatorWriter()
    name = writer.params(function, f"{slug(function.name)}_params")
    return cast(ParamsValidator, _execute(writer, name))


def compile_value(type_: Type | None) -> ValueValidator:
    """The validator of one value, such as a function's result; of None it accepts only null.

    It gives the canonical value and no problems, or None and all problems. `UnsupportedType` without a JSON form.
    """
    writer = ValidatorWriter()
    return cast(ValueValidator, _execute(writer, writer.value(type_, "value")))


def variable(label: str) -> str:
    """The local variable of a field or parameter: the underscore keeps it apart from every other name, keywords too."""
    if not (label.isascii() and label.isidentifier()):
        raise ValueError(f"not a label: {label!r}")
    return f"{label}_"


def signature_text(function: Function) -> str:
    """A function's name and parameters in short, for messages: ``f(a: u8, b: point)``."""
    return f"{function.name}({', '.join(f'{p.name}: {wit_text(p.type)}' for p in function.params)})"


def _execute(writer: ValidatorWriter, name: str) -> object:
    namespace: dict[str, object] = {name: getattr(checks, name) for name in checks.__all__}
    code = compile(f"{_HEAD}{writer.source()}", f"<validator {name}>", "exec")
    exec(code, namespace)
    return namespace[name]


def _head(name: str) -> str:
    return f"def {name}(value: JsonValue, path: Path, problems: Problems) -> JsonValue:"


class ValidatorWriter:
    """Collects the source of validators. A composite type is written once, however often it is used.

    The source needs what `model.checks` exports, `Any`, `Final` and ``from __future__ import annotations``.
    """

    def __init__(self, named: Callable[[TypeDef], str] | None = None) -> None:
        """`named` gives the functions that check named types, which the caller has or adds with `checker`."""
        self._named = named
        self._functions: dict[int, str] = {}
        self._numbers: dict[object, int] = {}
        self._measured: dict[int, tuple[Type, int]] = {}
        self._names = NameTable(*checks.__all__, *vars(builtins), "Any", "Final")
        self._source: list[str] = []

    def source(self) -> str:
        """All functions so far, the parts of a type before it."""
        return "\n\n".join(self._source)

    def params(self, function: Function, wanted: str) -> str:
        """Add the validator of a function's parameters; gives its name, which is `wanted` when that is free."""
        require_json_form(*(p.type for p in function.params))
        name = self._names.unique(wanted)
        text = signature_text(function)
        fields = [(json_name(p.name), p.type) for p in function.params]
        variables = [variable(label) for label, _ in fields]
        block = Block()
        with block.under(f"def {name}(value: Any) -> CheckedParams:"):
            block.add(*docstring(f"Check the parameters of `{text}`."))
            block.add("problems: Problems = []", "given: JsonValue = value")
            with block.under("try:"):
                with block.under("if type(given) is dict:"):
                    known = self.fields(block, "given", "None", text, fields, constant=name)
                    if fields:
                        block.add(f"keys: Keys = tuple({known})")
                with block.under(f"elif type(given) is list and len(given) == {len(fields)}:"):
                    if fields:
                        block.add(f"keys = range({len(fields)})")
                        block.listed("[", variables, "] = given")
                    else:
                        block.add("pass")
                with block.under("else:"):
                    arguments = ["problems", "given", literal(text), str(len(fields))]
                    block.listed("refuse_params(", arguments, ")", call=True)
                    block.add("return None, tuple(problems)")
                for index, (label, type_) in enumerate(fields):
                    self.slot(block, variable(label), type_, f"(None, keys[{index}])")
            with block.under("except TooManyProblems:"):
                block.add("return None, tuple(problems)")
            with block.under("if problems:"):
                block.add("return None, tuple(problems)")
            block.listed("return [", variables, "], ()")
        self._source.append(block.text())
        return name

    def value(self, type_: Type | None, wanted: str) -> str:
        """Add the validator of one value, None for no value; gives its name, which is `wanted` when that is free."""
        require_json_form(type_)
        name = self._names.unique(wanted)
        block = Block()
        with block.under(f"def {name}(value: Any) -> CheckedValue:"):
            block.add(*docstring(f"Check a value of `{wit_text(type_)}`."))
            block.add("problems: Problems = []", "item: JsonValue = value")
            with block.under("try:"):
                self.slot(block, "item", type_, "None")
            with block.under("except TooManyProblems:"):
                block.add("return None, tuple(problems)")
            with block.under("if problems:"):
                block.add("return None, tuple(problems)")
            block.add("return item, ()")
        self._source.append(block.text())
        return name

    def checker(self, type_: TypeDef, name: str) -> None:
        """Add the function that checks a named type, called `name`."""
        block = Block()
        with block.under(_head(name)):
            bare = unalias(type_)
            if isinstance(bare, NAMED):
                CompositeWriter(self, block, wit_text(type_)).write(bare)
            else:
                self.slot(block, "value", type_, "path")
                block.add("return value")
        self._source.append(block.text())

    def slot(self, block: Block, name: str, type_: Type | None, path: str) -> bool:
        """Check the variable `name` in place. Whether a valid value always stays the very object it was."""
        if type_ is None:
            with block.under(f"if {name} is not None:"):
                block.add(f'refuse(problems, {path}, {name}, "null")')
            return True
        bare = unalias(type_)
        if isinstance(bare, OptionType) and not is_nullable(bare.payload):
            with block.under(f"if {name} is not None:"):
                return self.slot(block, name, bare.payload, path)
        if isinstance(bare, Primitive) and bare in _SLOW:
            test, canonical = _SLOW[bare]
            with block.under(f"if {test.format(name)}:"):
                block.add(f'{name} = {canonical}({name}, {path}, problems, "{bare.value}")')
            return False
        if isinstance(bare, Primitive) and bare in _REFUSED_WHEN:
            with block.under(f"if {_REFUSED_WHEN[bare].format(name)}:"):
                block.add(f'refuse(problems, {path}, {name}, "{bare.value}")')
            return True
        if bare is Primitive.F32:
            block.add(f'{name} = number({name}, {path}, problems, "f32")')
        elif is_bytes(bare):
            block.add(f"{name} = octets({name}, {path}, problems)")
        else:
            block.add(f"{name} = {self._function(type_)}({name}, {path}, problems)")
        return False

    def fields(
        self,
        block: Block,
        source: str,
        path: str,
        expected: str,
        fields: Sequence[tuple[str, Type]],
        constant: str = "",
    ) -> str:
        """Refuse unknown keys of the object `source`, and fetch each field into its `variable`.

        Gives the constant that holds the fields' names, which is called after `constant` or `expected`.
        """
        known = self.names([label for label, _ in fields], constant or expected)
        with block.under(f"if not {source}.keys() <= {known}.keys():"):
            arguments = ["problems", path, source, literal(expected), known]
            block.listed("refuse_keys(", arguments, ")", call=True)
        for label, type_ in fields:
            default = "" if is_nullable(type_) else ", MISSING"
            block.add(f"{variable(label)} = {source}.get({literal(label)}{default})")
        return known

    def names(self, labels: Sequence[str], of: str) -> str:
        """A constant with names in order, a dict for fast look-ups; gives the constant's name."""
        name = self._names.unique(f"{slug(of).upper()}_NAMES")
        block = Block()
        block.listed(f"{name}: Final = name_set(", [literal(label) for label in labels], ")", call=True)
        self._source.append(block.text())
        return name

    def table(self, cases: Sequence[tuple[str, Type]], of: str) -> str:
        """A constant with the checks of payloads by their cases; gives the constant's name."""
        checks = [f"{literal(label)}: {self._whole(payload)}" for label, payload in cases]
        name = self._names.unique(f"{slug(of).upper()}_CHECKS")
        block = Block()
        block.listed(f"{name}: Final[dict[str, Check]] = {{", checks, "}")
        self._source.append(block.text())
        return name

    def _whole(self, type_: Type) -> str:
        """The function that checks any type, also one whose check otherwise stands in line."""
        bare = unalias(type_)
        plain = isinstance(bare, Primitive) or is_bytes(bare)
        if not plain and not (isinstance(bare, OptionType) and not is_nullable(bare.payload)):
            return self._function(type_)
        number = self._number(type_)
        if number not in self._functions:
            self._functions[number] = self._names.unique(f"check__{slug(wit_text(type_), 40)}")
            block = Block()
            with block.under(_head(self._functions[number])):
                self.slot(block, "value", type_, "path")
                block.add("return value")
            self._source.append(block.text())
        return self._functions[number]

    def _function(self, type_: Type) -> str:
        """The function that checks a composite type, written when it is first asked for."""
        if self._named is not None and isinstance(type_, TypeDef) and isinstance(unalias(type_), NAMED):
            return self._named(definition(type_))
        number = self._number(type_)
        if number not in self._functions:
            text = wit_text(type_)
            own = "check_" if self._named is None else "check__"  # no label has two underscores
            self._functions[number] = self._names.unique(f"{own}{slug(text, 40)}")
            block = Block()
            with block.under(_head(self._functions[number])):
                CompositeWriter(self, block, text).write(unalias(type_))
            self._source.append(block.text())
        return self._functions[number]

    def _number(self, type_: Type) -> int:
        """Equal for types that one function can check; a part counts by its number, which keeps this linear."""
        bare = unalias(type_)
        if id(bare) not in self._measured:
            key: object
            match bare:
                case Primitive():
                    key = bare
                case ResultType(ok, err):
                    key = ResultType, ok and self._number(ok), err and self._number(err)
                case FixedListType(element, length):
                    key = FixedListType, length, self._number(element)
                case RecordType() | VariantType() | EnumType() | FlagsType():
                    key = id(bare)
                case _:
                    key = type(bare), *(self._number(part) for part in parts(bare))
            self._measured[id(bare)] = (bare, self._numbers.setdefault(key, len(self._numbers)))
        return self._measured[id(bare)][1]
