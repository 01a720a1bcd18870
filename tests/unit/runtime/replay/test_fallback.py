"""What a parent sees of a child that failed: the rule that maps a failure into a result type."""

from __future__ import annotations

import pytest

from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.signatures import shape_of
from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    Label,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    Type,
    TypeDef,
    VariantType,
)
from obelisk.runtime.replay.fallback import NOT_MAPPABLE, NotMappable, fallback_result

OWNER = InterfaceName.parse("demo:a/i")
U32, STRING = Primitive.U32, Primitive.STRING


def named(body: Type) -> TypeDef:
    return TypeDef(name="e", owner=OWNER, body=body)


ROOM = VariantType((Case("not-found", U32), Case("execution-failed", None)))


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (ResultType(U32, None), {"err": None}),
        (ResultType(None, None), {"err": None}),
        (named(ResultType(None, None)), {"err": None}),
        (ResultType(U32, STRING), {"err": "execution_failed"}),
        (ResultType(None, named(named(STRING))), {"err": "execution_failed"}),
        (ResultType(U32, named(ROOM)), {"err": "execution_failed"}),
        (
            ResultType(None, named(EnumType((Label("execution-failed"), Label("other"))))),
            {"err": "execution_failed"},
        ),
    ],
    ids=str,
)
def test_a_failure_is_carried(result: Type, value: object) -> None:
    assert fallback_result(shape_of(result)) == value


@pytest.mark.parametrize(
    "result",
    [
        None,
        U32,
        STRING,
        OptionType(ResultType(U32, None)),
        ResultType(U32, U32),
        ResultType(U32, OptionType(STRING)),
        ResultType(U32, ListType(STRING)),
        ResultType(U32, named(RecordType((Field("execution-failed", STRING),)))),
        ResultType(U32, named(VariantType((Case("execution-failed", STRING),)))),
        ResultType(U32, named(VariantType((Case("execution-failure", None),)))),
        ResultType(U32, named(EnumType((Label("failed"),)))),
    ],
    ids=str,
)
def test_other_types_have_no_room(result: Type | None) -> None:
    mapped = fallback_result(shape_of(result))
    assert mapped is NOT_MAPPABLE
    assert isinstance(mapped, NotMappable)
