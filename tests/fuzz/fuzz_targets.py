"""The fuzz targets, by name: one for each kind of foreign bytes."""

from __future__ import annotations

from typing import Final

import fuzz_abi
import fuzz_http
import fuzz_json
import fuzz_wit
from fuzzing import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        fuzz_http.REQUEST,
        fuzz_http.RESPONSE,
        fuzz_json.JSON,
        fuzz_wit.TEXT,
        fuzz_wit.BINARY,
        fuzz_wit.COMPONENT,
        fuzz_abi.LIFTING,
    )
}
