"""Pydantic models of an OpenAPI document, made by datamodel-code-generator: the module ``models.py``.

The tool comes with the extra ``models`` and is imported when it is first needed, since that takes seconds. Its
formatters are off, so that the text does not change with their versions, and so are its timestamps.
"""

from __future__ import annotations

import json
import re
from typing import Final, cast

from obelisk.codegen.emit.json_schema import JsonObject, pascal
from obelisk.codegen.model.json_form import JsonValue

_IMPORT: Final = re.compile(r"^from (?!__future__)\S+ import .+$", re.MULTILINE)

_MAX_NESTING: Final = 120
"""Levels of a schema: the tool reads nested ones by recursion, and fails somewhere beyond."""
_WIDE_FORMATS: Final = ("int64", "uint64")
"""Formats that the tool knows of no string, and of no number that is unsigned; it warns."""
_BOUNDS: Final = frozenset({"minimum", "minLength", "pattern"})


class ModelsFailed(Exception):
    """There are no models; the message says why and what helps."""


def models_module(document: JsonObject, title: str, stamp: str) -> str:
    """The source of Pydantic v2 models for the schemas of `document`; `title` is what documentation calls it.

    `ModelsFailed` where the tool is not installed, or a schema is nested too deep for it.
    """
    try:
        from datamodel_code_generator import Error
    except ImportError as error:
        raise ModelsFailed(f"models need {error.name}: install obelisk-engine[models]") from error
    try:
        source = _generated(document, title, stamp)
    except Error as error:
        raise ModelsFailed(f"there are no models of {title}: {error}") from error
    imports = iter(sorted(_IMPORT.findall(source)))
    return _IMPORT.sub(lambda _: next(imports), source).rstrip("\n") + "\n"


def _generated(document: JsonObject, title: str, stamp: str) -> str:
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType, OpenAPIScope, StrictTypes
    from datamodel_code_generator.format import PythonVersion

    source = generate(
        json.dumps(_titled_document(document)),
        input_file_type=InputFileType.OpenAPI,
        output_model_type=DataModelType.PydanticV2BaseModel,
        openapi_scopes=[OpenAPIScope.Schemas],
        target_python_version=PythonVersion.PY_311,
        custom_file_header=f'{stamp}\n"""Pydantic models of the HTTP interface of `{title}`."""',
        disable_timestamp=True,
        formatters=[],
        use_annotated=True,
        field_constraints=True,
        use_standard_collections=True,
        use_union_operator=True,
        use_schema_description=True,
        use_field_description=True,
        use_title_as_name=True,
        # In lower case, `title` or `count` would be members of a string that are no methods of strings.
        capitalise_enum_members=True,
        # As the validators and the schema: `true` is no integer, "1" no number.
        strict_types=[StrictTypes.bool, StrictTypes.int, StrictTypes.float, StrictTypes.str],
    )
    if not isinstance(source, str):
        raise AssertionError("one document gives one module")
    return source


def _titled_document(document: JsonObject) -> JsonObject:
    """The document with a title for each schema in line that becomes a class: it is called after its place then."""
    components = cast("dict[str, JsonObject]", document["components"])
    schemas = {name: _titled_parts(schema, name) for name, schema in components["schemas"].items()}
    return {**document, "components": {**components, "schemas": schemas}}


def _titled_parts(schema: JsonValue, place: str, level: int = 1) -> JsonValue:
    if not isinstance(schema, dict):
        return schema
    if level > _MAX_NESTING:
        raise ModelsFailed(f"a schema of {place[:100]}… nests more than {_MAX_NESTING} levels, too deep for models")
    titled: JsonObject = dict(schema)
    if titled.get("format") in _WIDE_FORMATS:
        del titled["format"]
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            titled[key] = {name: _titled(part, f"{place}_{pascal(name)}", level) for name, part in value.items()}
        elif key in ("items", "additionalProperties"):
            titled[key] = _titled(value, f"{place}_Item", level, is_item=True)
        elif key in ("prefixItems", "oneOf", "anyOf") and isinstance(value, list):
            bounded = [isinstance(part, dict) and bool(_BOUNDS & part.keys()) for part in value]
            titled[key] = [
                _titled(part, f"{place}_{n}", level, is_item=key == "prefixItems" or is_bounded)
                for n, (part, is_bounded) in enumerate(zip(value, bounded, strict=True), 1)
            ]
        elif key == "allOf" and isinstance(value, list):
            titled[key] = [_titled_parts(part, place, level + 1) for part in value]
    return titled


def _titled(schema: JsonValue, place: str, level: int, *, is_item: bool = False) -> JsonValue:
    titled = _titled_parts(schema, place, level + 1)
    if isinstance(titled, dict) and (titled.get("type") == "object" or (is_item and "type" in titled)):
        return {"title": place, **titled}
    return titled
