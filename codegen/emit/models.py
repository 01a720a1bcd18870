"""Pydantic models of an OpenAPI document, made by datamodel-code-generator: the module ``models.py``.

The tool is imported when it is first needed, since that takes seconds. Its formatters are off, so that the text does
not change with their versions, and so are its timestamps.
"""

from __future__ import annotations

import json
import re
from typing import Final

from obelisk.codegen.emit.json_schema import JsonObject

_IMPORT: Final = re.compile(r"^from (?!__future__)\S+ import .+$", re.MULTILINE)


def models_module(document: JsonObject, title: str, stamp: str) -> str:
    """The source of Pydantic v2 models for the schemas of `document`; `title` is what documentation calls it."""
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType, OpenAPIScope, StrictTypes
    from datamodel_code_generator.format import PythonVersion

    source = generate(
        json.dumps(document),
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
    imports = iter(sorted(_IMPORT.findall(source)))
    return _IMPORT.sub(lambda _: next(imports), source).rstrip("\n") + "\n"
