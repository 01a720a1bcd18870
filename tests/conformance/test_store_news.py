"""Every store tells who follows an execution of each commit that touched it, after the commit, and of no other."""

from __future__ import annotations

import pytest

from obelisk.runtime.errors import Conflict
from obelisk.runtime.log.events import JoinSetCreate
from obelisk.runtime.log.lines import LOG, Line, Said
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import AddDelay, DropDelay, Store
from store_bed import FFQN, OTHER, E, Log, answer, create, send

pytestmark = pytest.mark.anyio


async def test_followers_hear_of_what_touches_their_execution(store: Store) -> None:
    heard: list[str] = []
    assert not store.news.is_followed
    end = store.news.follow(E, lambda: heard.append(E))
    end_other = store.news.follow(OTHER, lambda: heard.append(OTHER))
    log = Log(first := create())

    async def told(*expected: str) -> None:
        assert sorted(heard) == sorted(expected)
        heard.clear()

    sent = send(store, first)
    assert heard == [], "nothing is said before the commit"
    await sent
    await told(E)
    append = log.append(JoinSetCreate(join_set="o:1"))
    await send(store, append)
    await told(E)
    with pytest.raises(Conflict):
        await send(store, append)
    await told()
    await send(store, create(OTHER, locked=None), answer(f"{E}.o:1_1"))
    await told(E, OTHER)
    await send(store, AddDelay(execution_id=E, join_set="o:1", delay="Delay_1", expires_at_us=1))
    await told(E)
    await send(store, DropDelay(delay="Delay_1"))
    await told()
    claim = Claim(executor="Exr_2", runs=("Run_2",), digests={FFQN: "sha256:00"}, now_us=1000, limit=10)
    assert [taken.execution_id for taken in await store.claim(claim)] == [OTHER]
    await told(OTHER)
    line = Line(run="Run_1", at_us=7, source=LOG, level=2, text="x", place=None)
    await store.add_lines([Said(execution_id=E, lines=[line])], keep_bytes=1 << 20)
    await told(E)
    end()
    end()
    assert store.news.is_followed
    await send(store, log.append(JoinSetCreate(join_set="o:2")))
    await told()
    end_other()
    assert not store.news.is_followed
