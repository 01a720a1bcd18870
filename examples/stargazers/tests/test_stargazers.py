"""Unit tests of the workflow of the stargazers example; functions stand for its activities in three languages."""

import asyncio
from collections import Counter

import pytest
from componentize_py_types import Err
from wit_world.imports import pages_in_c, pages_in_javascript, pages_in_python, reports, workflow
from wit_world.imports.model import Page, Worker

from obelisk.testing import World, fails, script

PAGES = 5


def fetch(server: str, repository: str, number: int) -> Page:
    return Page([f"{repository}-{number}"], PAGES)


async def slowly(server: str, repository: str, number: int) -> Page:
    await asyncio.sleep(10 - number)
    return fetch(server, repository, number)


async def test_pages_are_shared_out_among_workers(world: World) -> None:
    world.replace(pages_in_python.fetch, slowly)
    world.replace(pages_in_c.fetch, fetch)
    world.replace(pages_in_javascript.fetch, script(fails("cut off"), Err("status 503"), fetch))
    published: list[str] = []

    def publish(server: str, repository: str, text: str) -> str:
        published.append(text)
        return "/reports/r"

    world.replace(reports.publish, publish)
    report = await world.run(workflow.list_stargazers, "s", "r", [Worker.PYTHON, Worker.C, Worker.JAVASCRIPT])
    assert (report.stargazers, report.pages, report.address) == (PAGES, PAGES, "/reports/r")
    assert published[0].splitlines()[-PAGES:] == [f"r-{number}" for number in range(1, PAGES + 1)]
    calls = [
        *world.calls(pages_in_python.fetch),
        *world.calls(pages_in_c.fetch),
        *world.calls(pages_in_javascript.fetch),
    ]
    assert Counter(call.args[2] for call in calls) == Counter(range(1, PAGES + 1))


async def test_a_report_without_workers_is_refused(world: World) -> None:
    with pytest.raises(Err, match="no page to fetch"):
        await world.run(workflow.list_stargazers, "s", "r", [])


async def test_a_page_that_cannot_be_had_ends_the_report(world: World) -> None:
    world.replace(pages_in_c.fetch, Err("status 500"))
    with pytest.raises(Err, match="status 500"):
        await world.run(workflow.list_stargazers, "s", "r", [Worker.C])
    (call,) = world.calls(pages_in_c.fetch)
    assert call.attempts == 8
