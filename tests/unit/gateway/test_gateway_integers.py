"""64-bit integers over HTTP: given as numbers or as strings, recorded in one form, answered as strings where asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_world import Http, World, component, world
from obelisk.gateway.http.wide_integers import LARGEST, quoted
from obelisk.runtime.catalog.settings import ComponentKind
from problems import problem

ADD = "/v1/functions/demo:shop/cart@1.2.0/add"
WIDE = ("Prefer", "wide-integers=string")
LARGE = 2**63 + 1


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


@pytest.mark.parametrize("params", [{"a": str(LARGE), "the_other": 1}, [LARGE, "1"]])
def test_decimal_strings_are_numbers(http: Http, params: object) -> None:
    answer = http.post(ADD, params)
    assert (answer.status_code, answer.text) == (200, str(LARGE + 1))
    events = http.get(f"/v1/executions/{answer.headers['obelisk-execution-id']}/events").json()["items"]
    assert events[0]["event"]["params"] == [LARGE, 1]


def test_a_string_and_a_number_are_one_call(http: Http) -> None:
    key = [("Idempotency-Key", "k")]
    first = http.post(ADD, {"a": LARGE, "the_other": 1}, headers=key)
    again = http.post(ADD, {"a": str(LARGE), "the_other": "1"}, headers=key)
    assert again.headers["obelisk-execution-id"] == first.headers["obelisk-execution-id"]
    assert again.text == first.text
    problem(http.post(ADD, {"a": str(LARGE + 1), "the_other": 1}, headers=key), 409, "idempotency_conflict")


def test_what_is_no_decimal_integer_is_refused_with_its_place(http: Http) -> None:
    body: Any = problem(http.post(ADD, {"a": "01", "the_other": str(2**64)}), 400, "params_invalid")
    assert [(error["pointer"], error["expected"]) for error in body["errors"]] == [("/a", "u64"), ("/the_other", "u64")]
    assert "no decimal integer" in body["errors"][0]["detail"]
    assert "out of range" in body["errors"][1]["detail"]


def put(http: Http, path: str, value: object) -> Any:
    return http.request("PUT", path, content=json.dumps(value).encode(), headers=[("Content-Type", "application/json")])


def test_a_stub_takes_both_forms_of_a_result_as_one() -> None:
    with world(component(kind=ComponentKind.STUB)).client() as http:
        params = {"a": 1, "the_other": 2}
        execution_id = http.post(ADD, params, headers=[("Prefer", "respond-async")]).headers["obelisk-execution-id"]
        path = f"/v1/executions/{execution_id}"
        effects = [put(http, f"{path}/stub", value).json()["effect"] for value in (str(LARGE), LARGE, str(LARGE))]
        assert effects == ["done", "already", "already"]
        problem(put(http, f"{path}/stub", str(LARGE + 1)), 409, "result_conflict")
        assert http.get(f"{path}/result").text == str(LARGE)
        assert http.request("GET", f"{path}/result", headers=[WIDE]).text == f'"{LARGE}"'


def test_answers_have_strings_where_they_are_preferred(http: Http) -> None:
    answer = http.post(ADD, {"a": LARGE, "the_other": 0}, headers=[WIDE])
    assert (answer.status_code, answer.text) == (200, f'"{LARGE}"')
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["preference-applied"] == "wide-integers=string"
    path = f"/v1/executions/{answer.headers['obelisk-execution-id']}"
    assert http.request("GET", f"{path}/result", headers=[WIDE]).json() == str(LARGE)
    assert http.get(f"{path}/result").json() == LARGE
    log = http.request("GET", f"{path}/events", headers=[WIDE]).json()["items"]
    assert log[0]["event"]["params"] == [str(LARGE), 0]
    stream = http.request("GET", f"{path}/events/follow", headers=[WIDE])
    assert stream.headers["preference-applied"] == "wide-integers=string"
    frames = re.findall("^data: (.*)$", stream.text, re.MULTILINE)
    assert [json.loads(frame) for frame in frames] == [*log, {}]


def test_numbers_that_javascript_keeps_stay_numbers(http: Http) -> None:
    wishes = [("Prefer", "wait=3, wide-integers=string")]
    answer = http.post(ADD, {"a": LARGEST, "the_other": 0}, headers=wishes)
    assert answer.text == str(LARGEST)
    assert answer.headers["preference-applied"] == "wait=3, wide-integers=string"
    assert http.post(ADD, {"a": LARGEST, "the_other": 1}, headers=wishes).text == f'"{LARGEST + 1}"'


@pytest.mark.parametrize("wish", ["wide-integers=number", "wide-integers", "wide=string", 'x="wide-integers=string"'])
def test_other_preferences_change_nothing(http: Http, wish: str) -> None:
    answer = http.post(ADD, {"a": LARGE, "the_other": 0}, headers=[("Prefer", wish)])
    assert answer.text == str(LARGE)
    assert "preference-applied" not in answer.headers


def test_refusals_have_problem_details_as_always(http: Http) -> None:
    answer = http.post(ADD, {"a": -1, "the_other": 0}, headers=[WIDE])
    assert problem(answer, 400, "params_invalid")["errors"]
    problem(http.request("GET", "/v1/executions/E_0/result", headers=[WIDE]), 404, "execution_not_found")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Texts that look like numbers, like strings and like ends of strings.
    | st.text(st.sampled_from('"\\0123456789.,:[]-e \n'), max_size=30)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)


def is_a(kind: type, value: Any) -> bool:  # isinstance would leave a list of unknowns
    return isinstance(value, kind)


def strings(value: Any) -> Any:
    if is_a(list, value):
        return [strings(item) for item in value]
    if is_a(dict, value):
        return {key: strings(item) for key, item in value.items()}
    return str(value) if type(value) is int and abs(value) > LARGEST else value


@given(VALUES)
def test_any_value_keeps_all_but_its_wide_integers(value: Any) -> None:
    text = msgspec.json.encode(value)
    assert json.dumps(json.loads(quoted(text))) == json.dumps(strings(json.loads(text)))
