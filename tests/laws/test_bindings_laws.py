"""Laws of generated bindings over types that hypothesis makes: typed values go to JSON and back without loss."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import CodeType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelisk.cli import at_hand
from obelisk.codegen.emit.examples import TooLarge, example
from obelisk.codegen.emit.package import Part
from obelisk.codegen.emit.validators import compile_value
from obelisk.codegen.model.items import Function, Interface, Package, Param, Resolution
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    Label,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)
from obelisk.codegen.pipeline import generate

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
NAME = InterfaceName.parse("test:laws/api")
ENGINE = at_hand.engine_types()
ROOTS = itertools.count()
SCALARS = [p for p in Primitive if p is not Primitive.ERROR_CONTEXT]
LABELS = st.lists(
    st.sampled_from(["a", "b-c", "class", "self", "list", "value", "none", "ok", "data", "int", "x1", "x-1"]),
    min_size=1,
    max_size=4,
    unique=True,
)
BODIES = (RecordType, VariantType, EnumType, FlagsType)


class InMemory(MetaPathFinder, InspectLoader):
    """Imports generated modules from their texts, below a root package of its own."""

    def __init__(self, files: dict[str, str]) -> None:
        self.root = f"laws_tree_{next(ROOTS)}"
        self.files = {f"{self.root}/{path}": text for path, text in files.items()}

    def is_package(self, fullname: str) -> bool:
        return f"{fullname.replace('.', '/')}/__init__.py" in self.files

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        known = self.is_package(fullname) or f"{fullname.replace('.', '/')}.py" in self.files
        return spec_from_loader(fullname, self, is_package=self.is_package(fullname)) if known else None

    def get_source(self, fullname: str) -> str:
        path = fullname.replace(".", "/")
        return self.files[f"{path}/__init__.py" if self.is_package(fullname) else f"{path}.py"]

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), fullname, "exec")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("laws_tree_")]:
        del sys.modules[name]


def bodies(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    def record(names: list[str]) -> st.SearchStrategy[Type]:
        return st.tuples(*(st.builds(Field, st.just(name), inner) for name in names)).map(RecordType)

    def variant(names: list[str]) -> st.SearchStrategy[Type]:
        return st.tuples(*(st.builds(Case, st.just(name), st.none() | inner) for name in names)).map(VariantType)

    return st.one_of(
        LABELS.flatmap(record),
        LABELS.flatmap(variant),
        LABELS.map(lambda names: EnumType(tuple(Label(name) for name in names))),
        LABELS.map(lambda names: FlagsType(tuple(Label(name) for name in names))),
    )


def anonymous(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    keys = st.sampled_from([Primitive.U8, Primitive.STRING, Primitive.CHAR, Primitive.BOOL])
    return st.one_of(
        inner.map(ListType),
        inner.map(OptionType),
        st.builds(FixedListType, inner, st.integers(1, 3)),
        st.builds(MapType, keys, inner),
        st.lists(inner, max_size=3).map(lambda items: TupleType(tuple(items))),
        st.builds(ResultType, st.none() | inner, st.none() | inner),
    )


@st.composite
def interfaces(draw: st.DrawFn) -> Interface:
    """Some named types, each over those before it, and an echo function for each of some types over them."""
    types: list[TypeDef] = []
    for number in range(draw(st.integers(1, 4))):
        known: st.SearchStrategy[Type] = st.sampled_from([*SCALARS, *types])
        inner = st.recursive(known, anonymous, max_leaves=3)
        body = draw(bodies(inner) | inner)
        name = draw(st.sampled_from(["point", "float", "bytes", "ok", "any", "x", "value"]))
        types.append(TypeDef(name=f"{name}-{number}" if number else name, owner=NAME, body=body))
    inner = st.recursive(st.sampled_from([*SCALARS, *types]), anonymous, max_leaves=3)
    functions: list[Function] = []
    for number, type_ in enumerate([*types, *draw(st.lists(inner, max_size=2))]):
        functions.append(Function(name=f"f{number}", params=(Param("result", type_),), result=type_))
    return Interface(name=NAME, types=tuple(types), functions=tuple(functions))


def bindings_of(interface: Interface) -> Any:
    package = Package(name=NAME.package, interfaces=(interface,))
    resolution = Resolution(packages=(package,), main=(package.name,))
    finder = InMemory(generate(resolution, ENGINE, frozenset({Part.TYPES, Part.BINDINGS})).files)
    sys.meta_path.insert(0, finder)
    return __import__(f"{finder.root}.test_laws.bindings.api", fromlist=["*"])


class Identity:
    """Serves every function by giving back what it gets; keeps it, typed."""

    def __init__(self) -> None:
        self.last: Any = None

    def __getattr__(self, name: str) -> Any:
        def serve(value: Any) -> Any:
            self.last = value
            return value

        return serve


@given(interfaces(), st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_json_to_typed_to_json_changes_nothing(interface: Interface, random: Any) -> None:
    bindings, served = bindings_of(interface), Identity()
    handlers = bindings.api_handlers(served)
    for function in interface.functions:
        try:
            values = example(function.params[0].type)
        except TooLarge:
            continue
        value = random_variant(values[0], function.params[0].type, random)
        canonical, problems = compile_value(function.params[0].type)(value)
        assert problems == ()
        assert json.dumps(handlers[function.name]([canonical])) == json.dumps(canonical)
        typed = served.last

        class Host:
            def call(self, _interface: str, function: str, params: list[Any], /) -> Any:
                return handlers[function](json.loads(json.dumps(params)))

        assert getattr(bindings.ApiCaller(Host()), function.name)(typed) == typed


def random_variant(value: Any, type_: Type, random: Any) -> Any:
    """Another value of the type near its example: options emptied, lists doubled, floats that JSON cannot write."""
    while isinstance(type_, TypeDef):
        type_ = type_.body
    match type_:
        case OptionType():
            return None if random.random() < 0.5 else value
        case ListType(element) if isinstance(value, list):
            return [random_variant(value[0], element, random) for _ in range(random.randrange(3))]
        case RecordType(fields):
            names = [field.name.replace("-", "_") for field in fields]
            pairs = zip(names, fields, strict=True)
            return {name: random_variant(value[name], field.type, random) for name, field in pairs}
        case VariantType(cases):
            chosen = cases[int(random.randrange(len(cases)))]
            name = chosen.name.replace("-", "_")
            return name if chosen.payload is None else {name: example(chosen.payload)[0]}
        case ResultType(_, err):
            return value if random.random() < 0.5 else {"err": None if err is None else example(err)[0]}
        case Primitive.F32 | Primitive.F64:
            return random.choice([value, "Infinity", "-Infinity", -0.0])
        case _:
            return value
