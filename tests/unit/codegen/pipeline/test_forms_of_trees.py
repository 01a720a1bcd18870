"""The JSON forms of a generated tree: classes, other types, and what is told when there is none."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model

from obelisk.cli import at_hand
from obelisk.codegen.emit.package import Part
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.values import Case, Err, InvalidValue, Ok, Problem, Some

ENGINE = at_hand.engine_types()
GOLDEN = Path(__file__).parents[3] / "golden"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(GOLDEN / "every/tree"), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "test_every"]:
        del sys.modules[name]


@pytest.fixture
def types() -> Any:
    return importlib.import_module("test_every.types.kinds")


def pointers(invalid: InvalidValue) -> list[str]:
    return [problem.pointer for problem in invalid.problems]


def test_a_case_is_of_its_class(types: Any) -> None:
    assert types.Shape_Dot.from_json({"dot": {"x": 1, "y": 2}}) == types.Shape_Dot(types.Point(x=1, y=2))
    with pytest.raises(InvalidValue) as refused:
        types.Shape_Dot.from_json("empty")
    assert refused.value.problems == (Problem(pointer="", expected='the case "dot"', detail='found the case "empty"'),)
    assert pickle.loads(pickle.dumps(refused.value)).problems == refused.value.problems
    with pytest.raises(ValidationError, match='expected the case "dot"'):
        TypeAdapter(types.Shape_Dot).validate_python("empty")


def test_what_does_not_fit_is_told_with_its_place(types: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        types.Shape_Many([types.Point(x=1, y=2), types.Point(x=None, y=2**40)]).to_json()
    assert pointers(refused.value) == ["/many/1/x", "/many/1/y"]
    with pytest.raises(InvalidValue) as refused:
        types.Shape_Named(("n", None)).to_json()
    assert pointers(refused.value) == ["/named/1"]


def test_types_without_a_class_have_a_form() -> None:
    texts = "package t:p;\ninterface i { type ids = list<u64>; record r { ids: ids } f: func(r: r) -> ids; }"
    resolution = resolve_sources([SourceFile("a.wit", texts)]).resolution
    assert resolution is not None
    files = generate(resolution, ENGINE, frozenset({Part.FORMS})).files
    assert "IDS_FORM: Final[WitForm[Ids]] = WitForm(" in files["t_p/forms/i.py"]
    assert not [path for path in files if "client" in path]


def test_instances_stand_in_models(types: Any) -> None:
    side: Any = Ok[types.Point] | Err[str]
    deep: Any = Some[int] | None
    model: type[BaseModel] = create_model("Model", shape=types.Shape, side=side, deep=deep)
    given: dict[str, Any] = {
        "shape": {"many": [{"x": 1, "y": 2}]},
        "side": {"ok": {"x": 3, "y": 4}},
        "deep": {"some": 1},
    }
    read: Any = model.model_validate(given)
    assert (read.shape, read.side, read.deep) == (
        types.Shape_Many([types.Point(x=1, y=2)]),
        Ok(types.Point(x=3, y=4)),
        Some(1),
    )
    assert json.loads(read.model_dump_json()) == read.model_dump(mode="json") == given
    assert read.model_dump()["shape"] is read.shape
    assert model(shape=types.Shape_Empty(), side=Err("no"), deep=None).model_dump(mode="json") == {
        "shape": "empty",
        "side": {"err": "no"},
        "deep": None,
    }
    mixed: Any = TypeAdapter(types.Shape_Many).validate_python({"many": [types.Point(x=1, y=2), {"x": 3, "y": 4}]})
    assert mixed.value[1] == types.Point(x=3, y=4)
    assert copy.deepcopy(read) == read


def test_records_are_definitions_of_a_schema(types: Any) -> None:
    schema = TypeAdapter(types.Shape).json_schema()
    assert "Point" in schema["$defs"]
    assert schema["$defs"]["Shape_Many"]["properties"]["many"]["items"] == {"$ref": "#/$defs/Point"}
    assert schema["$defs"]["Shape_Empty"] == {"type": "string", "const": "empty"}
    assert schema == TypeAdapter(types.Shape).json_schema(mode="serialization")


def test_a_tree_without_forms_says_so(tmp_path: Path) -> None:
    resolution = resolve_sources([SourceFile("a.wit", "package t:p;\ninterface i { record r { x: u8 } }")]).resolution
    assert resolution is not None
    for path, text in generate(resolution, ENGINE, frozenset({Part.TYPES})).files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    program = "from t_p.types.i import R; R(x=1).to_json()"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (
        "R has no JSON form: it holds a resource, or its package was generated without the part `forms`" in done.stderr
    )


def test_a_case_outside_of_a_tree_has_no_form() -> None:
    class Lone(Case):
        pass

    with pytest.raises(ObeliskError, match="has no JSON form"):
        Lone().to_json()


def test_importing_types_imports_neither_forms_nor_pydantic() -> None:
    program = (
        "import sys; from test_every.types.kinds import Point; "
        "assert not {n for n in sys.modules if n.startswith(('pydantic', 'test_every.forms', 'jinja2', 'httpx'))}; "
        "assert Point(x=1, y=2).to_json() == {'x': 1, 'y': 2}; "
        "assert not {n for n in sys.modules if n.startswith(('pydantic', 'jinja2', 'httpx'))}"
    )
    subprocess.run([sys.executable, "-c", program], cwd=GOLDEN / "every/tree", check=True)
