"""OpenAPI documents: valid, complete, stable names, examples that validate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from obelisk.codegen.emit.endpoints import Endpoint, endpoints
from obelisk.codegen.emit.json_schema import JsonObject, Schemas
from obelisk.codegen.emit.openapi import openapi_document, operation_id
from obelisk.codegen.emit.validators import compile_params, compile_value
from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param
from obelisk.codegen.model.json_form import UnsupportedType
from obelisk.codegen.model.names import Ffqn, InterfaceName
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
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    Stability,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)

NAME = InterfaceName.parse("demo:shop/orders@1.2.0-rc.1")
U8, U64, STRING, F32 = Primitive.U8, Primitive.U64, Primitive.STRING, Primitive.F32


def named(name: str, body: Type, docs: str = "") -> TypeDef:
    return TypeDef(name=name, owner=NAME, body=body, docs=docs)


COLOUR = named("colour", EnumType((Label("dark-red"), Label("blue"))))
ITEM = named("item", RecordType((Field("sku-id", STRING, "What it is."), Field("count", OptionType(U8)))), "A thing.")
PAY = named("pay", VariantType((Case("cash", None), Case("card", STRING, "By card."), Case("parts", ListType(ITEM)))))
ONE = named("one", VariantType((Case("only", U8),)))
FLAGS = named("marks", FlagsType((Label("a-b"), Label("c"))))
PARAMS = (
    Param("items", ListType(ITEM)),
    Param("pay", PAY),
    Param("colour", OptionType(COLOUR)),
    Param("marks", FLAGS),
    Param("one", ONE),
    Param("blob", ListType(U8)),
    Param("pair", TupleType((U8, F32))),
    Param("unit", TupleType(())),
    Param("fixed", FixedListType(Primitive.CHAR, 3)),
    Param("prices", MapType(STRING, U64)),
    Param("by-id", MapType(U64, Primitive.BOOL)),
    Param("nested", OptionType(OptionType(U8))),
    Param("res", ResultType(None, STRING)),
    Param("local", RecordType((Field("x", Primitive.S16),))),
)
DOCS = "Place an order. It is paid\nat once.\n\nMore."
PLACE = Function(name="place-order", params=PARAMS, result=ResultType(U64, PAY), docs=DOCS)
CANCEL = Function(name="cancel", params=(Param("id", U64),), result=ResultType(None, None))
COUNT = Function(name="count", result=U64, stability=Stability(since="1.0.0", deprecated="1.2.0"))
PING = Function(name="ping", docs="Nothing")
METHOD = Function(name="get", kind=FunctionKind.METHOD, resource="cart")
CART = named("cart", ResourceType())
OPEN = Function(name="open", result=OwnType(CART))
INTERFACE = Interface(name=NAME, functions=(PLACE, CANCEL, COUNT, PING, METHOD, OPEN), docs="Orders.")
ENDPOINTS, LEFT_OUT = endpoints([INTERFACE])


def document(**more: Any) -> dict[str, Any]:
    return cast(dict[str, Any], openapi_document(ENDPOINTS, title="Shop", version="1", **more))


def operation(doc: dict[str, Any], function: str) -> dict[str, Any]:
    return cast(dict[str, Any], doc["paths"][f"/v1/functions/demo:shop/orders@1.2.0-rc.1/{function}"]["post"])


def check(doc: dict[str, Any], schema: Any, value: Any) -> None:
    validator: Any = jsonschema.Draft202012Validator({**schema, "components": doc["components"]})
    validator.validate(value)


def test_the_document_is_valid_and_deterministic() -> None:
    doc = document()
    OpenAPIV31SpecValidator(cast(Any, doc)).validate()
    again = openapi_document(reversed(ENDPOINTS), title="Shop", version="1")
    assert json.dumps(doc) == json.dumps(again)
    assert doc["info"] == {"title": "Shop", "version": "1"}
    assert doc["tags"] == [{"name": str(NAME), "description": "Orders."}]
    assert "servers" not in doc
    assert "security" not in doc


def test_functions_without_json_form_are_left_out_with_a_reason() -> None:
    assert [(left.ffqn.partition(".")[2], left.code) for left in LEFT_OUT] == [
        ("2.0-rc.1.[method]cart.get", "resource-function"),
        ("2.0-rc.1.open", "resource-handle"),
    ]
    assert LEFT_OUT[1].reason == "values of cart cannot leave their component as JSON"


def test_operations() -> None:
    doc = document()
    place = operation(doc, "place-order")
    assert place["operationId"] == "demo.shop.v1_2_0_rc_1.orders.place_order"
    assert operation_id(Ffqn.parse("a-b:c/d-e.f-g")) == "a_b.c.d_e.f_g"
    assert place["summary"] == "Place an order."
    assert place["description"].startswith("It is paid\nat once.\n\nMore.\n\n```wit\nplace-order: func(")
    assert operation(doc, "ping")["summary"] == "Nothing"
    assert operation(doc, "cancel")["summary"] == "cancel(id: u64)"
    assert operation(doc, "count")["deprecated"] is True
    assert "deprecated" not in place


def test_each_operation_documents_the_statuses_it_can_give() -> None:
    doc = document()
    shared = {"202", "400", "401", "403", "404", "408", "409", "413", "415", "429", "431", "500", "503", "504"}
    assert set(operation(doc, "place-order")["responses"]) == shared | {"200", "422"}
    assert set(operation(doc, "cancel")["responses"]) == shared | {"204", "422"}
    assert set(operation(doc, "count")["responses"]) == shared | {"200"}
    assert set(operation(doc, "ping")["responses"]) == shared | {"204"}
    for response in ("200", "422"):
        assert "Obelisk-Execution-Id" in operation(doc, "place-order")["responses"][response]["headers"]
    secured = document(security_schemes={"bearer": {"type": "http", "scheme": "bearer"}})
    OpenAPIV31SpecValidator(cast(Any, secured)).validate()
    assert operation(secured, "ping") == operation(doc, "ping")
    assert secured["security"] == [{"bearer": []}]


@pytest.mark.parametrize(
    ("docs", "summary", "rest"),
    [
        ("", "cancel(id: u64)", ""),
        ("One.", "One.", ""),
        ("Takes e.g. a key. Gives more.", "Takes e.g. a key.", "Gives more."),
        ("Is it\nso? Yes.\n\n- a list\n\nThe end.", "Is it so?", "Yes.\n\n- a list\n\nThe end."),
        ("A title\n\nThe rest", "A title", "The rest"),
        ("Uses version 1.2 of it. `x` is one.", "Uses version 1.2 of it.", "`x` is one."),
    ],
)
def test_the_first_sentence_is_the_summary_and_the_rest_the_description(docs: str, summary: str, rest: str) -> None:
    endpoint = Endpoint(ffqn=Ffqn(NAME, "cancel"), function=replace(CANCEL, docs=docs))
    doc: Any = openapi_document([endpoint], title="t", version="1")
    made = operation(doc, "cancel")
    assert made["summary"] == summary
    assert made["description"].partition("```wit")[0].strip() == rest


def test_every_problem_has_an_example_that_validates() -> None:
    doc = document()
    shared = doc["components"]["responses"]
    seen: set[int] = set()
    for status, response in operation(doc, "place-order")["responses"].items():
        if int(status) < 400:
            continue
        named = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        content = named["content"]["application/problem+json"]
        check(doc, content["schema"], content["example"])
        assert content["example"]["status"] == int(status)
        seen.add(int(status))
    assert len(seen) == 14
    accepted = shared["Accepted"]["content"]["application/json"]
    check(doc, accepted["schema"], accepted["example"])


def test_links_lead_to_what_may_be_asked_of_an_execution() -> None:
    doc = document(known=["get-result"])
    OpenAPIV31SpecValidator(cast(Any, doc)).validate()
    for status in ("200", "422"):
        assert "get-result" in operation(doc, "place-order")["responses"][status]["links"]
    links = doc["components"]["links"]
    assert links["get-result"]["operationId"] == "get-result"
    reference = "/openapi.json#/paths/~1v1~1executions~1{execution_id}~1cancel/post"
    assert links["cancel-execution"]["operationRef"] == reference


def test_the_positional_form_is_accepted_and_not_described() -> None:
    doc = document()
    schema = operation(doc, "cancel")["requestBody"]["content"]["application/json"]["schema"]
    assert list(schema) == ["$ref"]
    assert compile_params(CANCEL)([7]) == ([7], ())


def test_examples_validate_and_typecheck() -> None:
    doc = document()
    body = operation(doc, "place-order")["requestBody"]["content"]["application/json"]
    check(doc, body["schema"], body["example"])
    params, problems = compile_params(PLACE)(body["example"])
    assert problems == ()
    assert params is not None
    check(doc, body["schema"], dict(zip(body["example"], params, strict=True)))
    result = operation(doc, "place-order")["responses"]["200"]["content"]["application/json"]
    check(doc, result["schema"], result["example"])
    assert operation(doc, "ping")["requestBody"]["required"] is False
    assert operation(doc, "cancel")["requestBody"]["required"] is True


WRONG: list[tuple[str, Any]] = [
    ("items", [{}]),
    ("items", [{"sku_id": "a", "count": 256}]),
    ("items", [{"sku_id": "a", "other": 1}]),
    ("pay", "card"),
    ("pay", {"cash": None}),
    ("colour", "dark-red"),
    ("marks", ["c", "c"]),
    ("one", {}),
    ("blob", "AP9="),
    ("blob", [256]),
    ("blob", ["AQ=="]),
    ("pair", [1]),
    ("pair", [1, "nan"]),
    ("unit", [1]),
    ("fixed", ["a", "b", "cc"]),
    ("prices", {"a": -1}),
    ("prices", {"a": "18446744073709551616"}),
    ("by_id", [["1.5", True]]),
    ("by_id", {"1": True}),
    ("nested", 1),
    ("res", {"ok": 1}),
    ("res", {}),
    ("unknown", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_the_schema_refuses_what_the_validator_refuses(name: str, value: Any) -> None:
    doc = document()
    body = operation(doc, "place-order")["requestBody"]["content"]["application/json"]
    faulty = {**body["example"], name: value}
    assert compile_params(PLACE)(faulty)[1] != ()
    with pytest.raises(jsonschema.ValidationError):
        check(doc, body["schema"], faulty)


def test_a_business_error_is_a_problem_with_the_error_value() -> None:
    doc = document()
    schema = operation(doc, "place-order")["responses"]["422"]["content"]["application/problem+json"]["schema"]
    problem = {"type": "about:blank", "title": "Error", "status": 422, "code": "err", "detail": ""}
    check(doc, schema, {**problem, "error": {"card": "1"}})
    for wrong in ({**problem}, {**problem, "error": {"card": 1}}, {"error": "cash"}):
        with pytest.raises(jsonschema.ValidationError):
            check(doc, schema, wrong)


def test_names_of_schemas() -> None:
    doc = document()
    package = "Demo_Shop_V1_2_0_rc_1"
    assert f"{package}_Orders_PlaceOrder__Params" in doc["components"]["schemas"]
    assert doc["components"]["schemas"][f"{package}_Orders_Item"]["description"] == "A thing."
    other = TypeDef(name="item", owner=InterfaceName.parse("demo:shop/other"), body=RecordType((Field("a", U8),)))
    problem = TypeDef(name="problem", owner=NAME, body=EnumType((Label("a"),)))
    schemas = Schemas("Problem")
    references = [schemas.schema(type_) for type_ in (ITEM, other, ITEM, problem)]
    assert [str(r["$ref"]).rpartition("/")[2] for r in references] == [
        f"{package}_Orders_Item",
        "Demo_Shop_Other_Item",
        f"{package}_Orders_Item",
        f"{package}_Orders_Problem",
    ]


def test_the_gateway_adds_its_own_parts() -> None:
    extra: dict[str, JsonObject] = {"/livez": {"get": {"responses": {"200": {"description": "well"}}}}}
    schemas: dict[str, JsonObject] = {"Accepted": {"type": "object"}, "Mine": {"type": "string"}}
    responses: dict[str, JsonObject] = {"Gone": {"description": "gone"}}
    doc = document(
        description="All.",
        extra_paths=extra,
        extra_schemas=schemas,
        extra_responses=responses,
        extra_tags=[{"name": "control"}],
        servers=[{"url": "/"}],
    )
    OpenAPIV31SpecValidator(cast(Any, doc)).validate()
    assert doc["paths"]["/livez"] == extra["/livez"]
    assert doc["components"]["schemas"]["Accepted"] == {"type": "object"}
    assert doc["components"]["responses"]["Gone"] == {"description": "gone"}
    assert doc["info"]["description"] == "All."
    assert doc["tags"][-1] == {"name": "control"}
    assert doc["servers"] == [{"url": "/"}]


def test_types_without_json_form_are_refused_and_huge_ones_have_no_example() -> None:
    with pytest.raises(UnsupportedType):
        Schemas().schema(ListType(OwnType(CART)))
    huge = Function(name="huge", params=(Param("a", FixedListType(U8, 4_000_000_000)),), result=FixedListType(U8, 501))
    doc: Any = openapi_document([Endpoint(ffqn=Ffqn(NAME, "huge"), function=huge)], title="t", version="1")
    OpenAPIV31SpecValidator(doc).validate()
    assert "example" not in operation(doc, "huge")["requestBody"]["content"]["application/json"]
    assert "example" not in operation(doc, "huge")["responses"]["200"]["content"]["application/json"]


def test_an_empty_document_is_valid() -> None:
    doc: Any = openapi_document([], title="t", version="1")
    OpenAPIV31SpecValidator(doc).validate()
    assert doc["paths"] == {}


def test_integers_and_characters_at_their_bounds() -> None:
    for type_, good, bad in (
        (Primitive.S64, [-(2**63), 2**63 - 1], [-(2**63) - 1, 2**63]),
        (Primitive.S64, ["0", "-1", str(-(2**63)), str(2**63 - 1)], [str(-(2**63) - 1), str(2**63), "-0", "01", "+1"]),
        (U64, [0, "0", 2**64 - 1, str(2**64 - 1), "9" * 19], [2**64, str(2**64), "9" * 20, "-1", "", "1.0", "0x1"]),
        (Primitive.CHAR, ["\U0001f600"], ["", "ab"]),
    ):
        schemas = Schemas()
        schema, doc = schemas.schema(type_), {"components": {"schemas": schemas.components}}
        for value in good:
            check(doc, schema, value)
            assert compile_value(type_)(value)[1] == ()
        for value in bad:
            with pytest.raises(jsonschema.ValidationError):
                check(doc, schema, value)
            assert compile_value(type_)(value)[1] != ()
