"""Components that serve HTTP themselves, as webhooks will: deployed with all their imports linked, and never called."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from obelisk.cli.building import languages
from obelisk.cli.building.languages import Task
from obelisk.cli.building.worlds import assemble
from obelisk.runtime.errors import FunctionNotFound, ObeliskError
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

ROOT = Path(__file__).parents[2]
WIT = """
package test:hooks@1.0.0;
interface greetings { greet: func() -> u16; }
world hooks {
  import wasi:http/types@0.2.12;
  export wasi:http/incoming-handler@0.2.12;
  export greetings;
}
"""
SOURCE = """
#include "world.h"

void exports_incoming_handler_handle(types_incoming_request_t request, types_response_outparam_t out) {
    types_incoming_request_drop(request);
    types_outgoing_response_t response = types_outgoing_response_new(types_fields_new());
    types_outgoing_response_set_status_code(response, 204);
    types_response_outparam_set(out, (wit_result_types_outgoing_response_types_error_code_t){.value.ok = response});
}

uint16_t exports_greetings_greet(void) {
    types_outgoing_response_t response = types_outgoing_response_new(types_fields_new());
    types_outgoing_response_set_status_code(response, 204);
    return types_outgoing_response_status_code(response);
}
"""


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "hooks.wit").write_text(WIT)
    (folder / "source").mkdir()
    (folder / "source/hooks.c").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OBELISK_TOOLS", str(ROOT / ".cache/tools"))
        task = Task(
            name="hooks",
            source=folder / "source/hooks.c",
            folder=folder,
            world=assemble("test:hooks/hooks@1.0.0", [folder / "hooks.wit"], [], []),
            wasi=True,
            scratch=folder,
            bindings=folder,
            say=lambda text: None,
        )
        (folder / "hooks.wasm").write_bytes(languages.c(task))
    return folder / "hooks.wasm"


def test_what_serves_http_is_deployed_with_the_rest_of_it(tmp_path: Path, hooks: Path) -> None:
    text = f'[cache]\npath = "{ROOT}/.cache/compiled"\n[component.hooks]\npath = "{hooks}"\n'

    async def work() -> None:
        config = configuration.parse(text, file=tmp_path / "obelisk.toml")
        async with open_runtime(config, execute=True) as runtime:
            handler = runtime.api.registry.functions["wasi:http/incoming-handler@0.2.12.handle"]
            assert "incoming-request" in handler.unsupported
            submitted = await runtime.api.submit(Submission(ffqn="test:hooks/greetings@1.0.0.greet", params=[]))
            outcome = await runtime.api.wait(submitted.execution_id, 300)
            assert isinstance(outcome, log.Returned), outcome
            assert json.loads(bytes(outcome.value)) == 204
            with pytest.raises(ObeliskError) as caught:
                await runtime.api.submit(Submission(ffqn=handler.ffqn, params=[1, 2]))
            assert not isinstance(caught.value, FunctionNotFound)
            assert "incoming-request" in caught.value.message

    asyncio.run(work())
