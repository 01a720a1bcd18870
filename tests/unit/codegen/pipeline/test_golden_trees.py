"""Golden trees: what is generated for `tests/golden/*/wit` stands beside it, and runs.

Run with ``BLESS=1`` in the environment to write the trees anew, then read the difference.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import httpx
import pytest

from obelisk.cli.generating import shell as generating
from obelisk.cli.generating import tree as generated_tree
from obelisk.client import Client
from obelisk.codegen.emit.crossing import servable
from obelisk.codegen.emit.examples import example
from obelisk.codegen.emit.package import ALL_PARTS
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.resolve.load import load
from obelisk.runtime.resources import Handles

GOLDEN = Path(__file__).parents[3] / "golden"
KINDS = InterfaceName.parse("test:every/kinds@1.2.0")
ERRORS: dict[str, list[Any]] = {"echo_unit": [{"err": None}], "echo_outcome": [{"err": "none"}]}
PARTS = frozenset(part.value for part in ALL_PARTS)
IN_TYPESCRIPT = ("every", "shop", "versions")
"""With TypeScript as well; what all trees share of it would be in each."""
FOR_GUESTS = ("every",)
"""With the package of guests in Python, most of which is the same everywhere."""
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/wit"))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    guests = [str(GOLDEN / case / "tree/guest") for case in FOR_GUESTS]
    monkeypatch.setattr(sys, "path", [str(GOLDEN), *guests, *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in (*CASES, "wit_world")]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("case", CASES)
def test_the_tree_is_as_it_was_blessed(case: str) -> None:
    tree = GOLDEN / case / "tree"
    blessed = bool(os.environ.get("BLESS"))
    parts = PARTS - {*([] if case in IN_TYPESCRIPT else ["typescript"]), *([] if case in FOR_GUESTS else ["guest"])}
    outcome = generating.run([GOLDEN / case / "wit"], tree, only=parts, check=not blessed)
    assert outcome.is_good, outcome.messages + outcome.summary()
    outcome = generating.run([GOLDEN / case / "wit"], tree, only=parts, check=True)
    assert outcome.changes is not None
    on_disk = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert on_disk == set(outcome.changes.fresh)
    for path in on_disk:
        assert generated_tree.STAMP in (tree / path).read_text() or path == "__init__.py"


@pytest.mark.parametrize("case", CASES)
def test_every_module_can_be_imported(case: str) -> None:
    for path in sorted((GOLDEN / case / "tree").rglob("*.py")):
        name = ".".join(path.relative_to(GOLDEN).with_suffix("").parts).removesuffix(".__init__")
        assert module(name).__doc__


def kinds_functions() -> Sequence[Function]:
    resolution = load([GOLDEN / "every" / "wit"]).resolution
    interface = resolution and resolution.interface(KINDS)
    assert interface
    return interface.functions


class Echo:
    """Gives back its first argument, whatever is called."""

    def __getattr__(self, name: str) -> Any:
        def echo(*arguments: Any) -> Any:
            return arguments[0] if arguments else None

        return echo


class Loopback:
    """Calls handlers, as a host would a component; JSON text in between shows that the values are JSON."""

    def __init__(self, handlers: Any) -> None:
        self.handlers = handlers
        self.last: Any = None

    def call(self, interface: str, function: str, params: list[Any], /) -> Any:
        assert interface == "test:every/kinds@1.2.0"
        self.last = json.loads(json.dumps(params))
        return json.loads(json.dumps(self.handlers[function](self.last)))


def test_values_of_every_type_go_through_bindings_unchanged() -> None:
    bindings, validators = module("every.tree.test_every.bindings.kinds"), module("every.tree.test_every.validators")
    handlers = bindings.kinds_handlers(Echo(), Handles())
    echoes = [f for f in servable(kinds_functions()) if f.name.startswith("echo-")]
    assert len(echoes) == 26
    for function in echoes:
        given = example(*(param.type for param in function.params))
        params, problems = validators.PARAMS[f"test:every/kinds@1.2.0.{function.name}"](given)
        assert problems == ()
        assert json.dumps(handlers[function.name](params)) == json.dumps(given[0])
        assert validators.RESULTS[f"test:every/kinds@1.2.0.{function.name}"](given[0]) == (given[0], ())


def test_typed_values() -> None:
    types, bindings = module("every.tree.test_every.types.kinds"), module("every.tree.test_every.bindings.kinds")
    values = module("obelisk.runtime.values")
    handles = Handles()
    loopback = Loopback(bindings.kinds_handlers(Echo(), handles))
    kinds = bindings.KindsCaller(loopback, handles)
    point = types.Point(x=-1, y=2)
    typed: dict[str, list[tuple[Any, Any]]] = {
        "echo_f64": [(1.5, 1.5), (float("inf"), "Infinity"), (-0.0, -0.0)],
        "echo_char": [("\U0001f600", "\U0001f600")],
        "echo_bytes": [(b"\x00\xff", "AP8=")],
        "echo_colour": [(types.Colour.DARK_RED, "dark_red")],
        "echo_rights": [(types.Rights.NONE | types.Rights.CAN_READ, ["can_read", "none"]), (types.Rights(0), [])],
        "echo_shape": [
            (types.Shape_Empty(), "empty"),
            (types.Shape_Dot(point), {"dot": {"x": -1, "y": 2}}),
            (types.Shape_Deep(values.Some(None)), {"deep": {"some": None}}),
            (types.Shape_Deep(values.Some(point)), {"deep": {"some": {"x": -1, "y": 2}}}),
            (types.Shape_Deep(None), {"deep": None}),
            (types.Shape_Ok(values.Err("no")), {"ok": {"err": "no"}}),
            (types.Shape_Named(("n", types.Colour.TRUE)), {"named": ["n", "true"]}),
        ],
        "echo_outcome": [(values.Err(types.Colour.NONE), {"err": "none"})],
        "echo_nested": [(None, None), (values.Some(None), {"some": None}), (values.Some("x"), {"some": "x"})],
        "echo_options": [(types.Options(c=b"\x00"), {"a": None, "b": None, "c": "AA=="})],
        "echo_map": [({"a": 1.0}, {"a": 1.0})],
        "echo_unit": [(values.Ok(None), {"ok": None}), (values.Err(None), {"err": None})],
    }
    for function, rows in typed.items():
        for value, as_json in rows:
            assert getattr(kinds, function)(value) == value
            assert json.dumps(loopback.last) == json.dumps([as_json])
    assert kinds.none() is None
    assert kinds.print(self_="s", params=[], result=1, params_json="{}", point_to_json_=True) is None
    with pytest.raises(ValueError, match="no case of shape"):
        bindings.shape_from_json("dot!")


def test_values_of_every_type_go_through_the_client_unchanged() -> None:
    client, validators = module("every.tree.test_every.client"), module("every.tree.test_every.validators")
    canonical: dict[str, Any] = {}

    def echo(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        params, problems = validators.PARAMS[f"test:every/kinds@1.2.0.{name}"](json.loads(request.content))
        assert problems == ()
        canonical[name] = params[0]
        match params[0]:
            case {"err": error} if getattr(client, constant(name)).is_fallible:
                problem = {"code": "returned_err", "detail": "no", "error": error}
                return httpx.Response(422, json=problem, headers={"Content-Type": "application/problem+json"})
            case {"ok": value} if getattr(client, constant(name)).is_fallible:
                return httpx.Response(204) if value is None else httpx.Response(200, json=value)
            case value:
                return httpx.Response(200, json=value)

    def constant(name: str) -> str:
        return f"kinds__{name}".replace("-", "_").upper()

    kinds = client.KindsClient(Client(http=httpx.Client(transport=httpx.MockTransport(echo))))
    attributes = cast("dict[str, Any]", vars(kinds))
    called = [name for name in attributes if name.startswith("echo_")]
    assert len(called) == 26
    functions = {function.name: function for function in kinds_functions()}
    for name in called:
        function = functions[name.replace("_", "-")]
        (given,) = example(function.params[0].type)
        for value in (given, *ERRORS.get(name, ())):
            typed = getattr(client, constant(name)).decode(value)
            assert getattr(kinds, name)(typed) == typed
            assert json.dumps(canonical[function.name]) == json.dumps(value)


def test_types_work_in_match_statements_and_are_values() -> None:
    types = module("every.tree.test_every.types.kinds")
    match types.Shape_Dot(types.Point(x=1, y=2)):
        case types.Shape_Dot(types.Point(x=1)):
            matched = True
        case _:
            matched = False
    assert matched
    assert types.Point(x=1, y=2) == types.Point(x=1, y=2)
    assert not hasattr(types.Point(x=1, y=2), "__dict__")
    with pytest.raises(AttributeError):
        types.Point(x=1, y=2).x = 3


def test_a_world_calls_exports_and_serves_imports() -> None:
    app = module("every.tree.test_every.bindings.app")
    types = module("every.tree.test_every.types.app")
    calls: list[tuple[str, str, Any]] = []

    class Host:
        def call(self, interface: str, function: str, params: list[Any], /) -> Any:
            calls.append((interface, function, params))
            return {"run": {"err": "failed"}, "check": ["none"], "wait": "a"}[function]

    exports = app.AppExports(Host())
    assert exports.run(["x"]) == module("obelisk.runtime.values").Err("failed")
    assert exports.extra.check(module("every.tree.test_every.types.kinds").Rights.NONE)
    assert exports.users.wait().value == "a"
    assert [call[:2] for call in calls] == [("", "run"), ("extra", "check"), ("test:every/users@1.2.0", "wait")]

    logged: list[Any] = []

    class Imports:
        kinds = Echo()
        settings = Echo()

        def log(self, message: str, at: Any) -> None:
            logged.append((message, at))

    handlers = app.app_handlers(Imports(), Handles())
    assert handlers["", "log"](["m", {"p": {"x": 1, "y": 2}}]) is None
    point = module("every.tree.test_every.types.kinds").Point(x=1, y=2)
    assert logged == [("m", types.Local(p=point))]
    assert handlers["test:every/kinds@1.2.0", "echo-u64"]([7]) == 7
    assert ("settings", "get") in handlers


def test_pydantic_models_accept_what_the_validators_accept() -> None:
    models = module("every.tree.test_every.models")
    validators = module("every.tree.test_every.validators")
    item = {"point": {"x": 1, "y": 2}, "form": {"many": [{"x": 0, "y": 0}]}, "colour": None}
    params, problems = validators.PARAMS["test:every/users@1.2.0.get"]({"i": item})
    assert problems == ()
    assert params is not None
    assert models.TestEveryV120UsersGetParams.model_validate({"i": params[0]}).model_dump(mode="json") == {"i": item}
    for wrong in ({"i": {**item, "colour": "green"}}, {"i": {**item, "point": {"x": 2**31, "y": 0}}}, {}):
        assert validators.PARAMS["test:every/users@1.2.0.get"](wrong)[1]
        with pytest.raises(ValueError, match="validation error"):
            models.TestEveryV120UsersGetParams.model_validate(wrong)


def test_a_variant_of_many_cases_goes_to_json_and_back() -> None:
    bindings, types = module("many.tree.test_many.bindings.kinds"), module("many.tree.test_many.types.kinds")
    validators = module("many.tree.test_many.validators")
    for value, data in (
        (types.Large_C0(types.Point(x=1)), {"c0": {"x": 1}}),
        (types.Large_C1(7), {"c1": 7}),
        (types.Large_C38(), "c38"),
    ):
        assert bindings.large_to_json(value) == data
        assert bindings.large_from_json(data) == value
        assert validators.RESULTS["test:many/kinds.echo"](data) == (data, ())
    for wrong, pointer in (
        ({"c0": {"x": 256}}, "/c0/x"),
        ({"c1": "7"}, "/c1"),
        ({"c2": None}, ""),
        ("c1", ""),
        ({}, ""),
    ):
        _, (problem,) = validators.RESULTS["test:many/kinds.echo"](wrong)
        assert problem.pointer == pointer
    with pytest.raises(ValueError, match="no case of large: c40"):
        bindings.large_from_json("c40")
