"""What a workflow waits for, as HTTP tells it of one execution."""

from __future__ import annotations

import dataclasses

import msgspec

from gateway_world import World, component, world
from obelisk.runtime import ids
from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, JoinSetCreate
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import AddDelay, Append, Create

ADD = "demo:shop/cart@1.2.0.add"


def test_an_execution_tells_what_it_waits_for() -> None:
    shop = world(dataclasses.replace(component(), settings=ComponentSettings(total_timeout_ms=60_000)))
    with shop.client() as http:
        answer = http.post("/v1/functions/demo:shop/cart@1.2.0/never", [], headers=[("Prefer", "respond-async")])
        execution_id = answer.headers["obelisk-execution-id"]
        assert http.get(f"/v1/executions/{execution_id}").json()["waiting"] is None
        child, delay = ids.child(execution_id, "n:a/b", 1), ids.delay(execution_id, "n:a/b", 2)
        http.run(wait_for(shop, execution_id, child, delay))
        shown = http.get(f"/v1/executions/{execution_id}").json()
        assert shown["waits_for"] == "n:a/b"
        assert shown["waiting"] == {
            "since": "1970-01-01T00:00:07.000000Z",
            "requests": [
                {
                    "id": child,
                    "function": ADD,
                    "status": "pending_at",
                    "until": "1970-01-01T00:01:08.000000Z",
                },
                {"id": delay, "function": None, "status": None, "until": "1970-01-01T00:00:09.000000Z"},
            ],
        }
        (listed,) = http.get("/v1/executions?top_level=true").json()["items"]
        assert (listed["waits_for"], listed["waiting"]) == ("n:a/b", None)


async def wait_for(shop: World, execution_id: str, child: str, delay: str) -> None:
    """Record that an execution waits for a child and for a delay."""
    state = await shop.store.state(execution_id)
    assert state is not None
    event = JoinSetCreate(join_set="n:a/b")
    after = fold.apply(state, event)
    created = Created(ffqn=ADD, params=msgspec.Raw(b"[1,2]"), scheduled_at_us=8_000_000, parent=execution_id)
    await commit(
        shop.store,
        (
            Append(
                execution_id=execution_id,
                version=state.version,
                events=(event,),
                state=after,
                at_us=7_000_000,
                waits_for="n:a/b",
            ),
            Create(execution_id=child, created=created, locked=None, state=fold.start(created), at_us=8_000_000),
            AddDelay(execution_id=execution_id, join_set="n:a/b", delay=delay, expires_at_us=9_000_000),
        ),
    )
