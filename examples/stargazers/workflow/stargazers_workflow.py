"""The workflow of the stargazers example: many fetches at the same time, one report.

There is nothing here about servers that fail or stall: a fetch is an activity, and the engine repeats it.
"""

from collections import Counter

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import (
    log,
    pages_in_c,
    pages_in_javascript,
    pages_in_python,
    reports,
    workflow_support,
)
from wit_world.imports.model import Page, Report, Worker

_PAGES = {Worker.PYTHON: pages_in_python, Worker.JAVASCRIPT: pages_in_javascript, Worker.C: pages_in_c}


class Workflow(exports.Workflow):
    """Implements the interface `demo:stargazers/workflow`; raising `Err` returns the `err` of a function's result."""

    def list_stargazers(self, server: str, repository: str, workers: list[Worker]) -> Report:
        """Fetch, sort, publish."""
        if not workers:
            raise Err("no page to fetch")
        (first,) = _fetch(server, repository, range(1, 2), workers)
        others = _fetch(server, repository, range(2, first.pages + 1), workers)
        names = sorted(name for page in (first, *others) for name in page.names)
        log.info(f"{len(names)} stargazers on {first.pages} pages")
        address = reports.publish(server, repository, _text(repository, names))
        return Report(len(names), first.pages, address)


def _fetch(server: str, repository: str, numbers: range, workers: list[Worker]) -> list[Page]:
    """Some pages at the same time, in order; raises the first err that is final."""
    sets = {worker: workflow_support.join_set_create() for worker in dict.fromkeys(workers)}
    chosen = [workers[number % len(workers)] for number in numbers]
    children = [
        _PAGES[worker].fetch_submit(sets[worker], server, repository, number)
        for worker, number in zip(chosen, numbers, strict=True)
    ]
    for worker in chosen:
        _PAGES[worker].fetch_await_next(sets[worker])
    results = [_PAGES[worker].fetch_get(child) for worker, child in zip(chosen, children, strict=True)]
    for result in results:
        if isinstance(result, Err):
            raise result
    return [result.value for result in results]


def _text(repository: str, names: list[str]) -> str:
    """The report: how many names begin with which letter, then all of them."""
    letters = Counter(name[:1].upper() for name in names)
    counts = "".join(f"{letter} {count}\n" for letter, count in sorted(letters.items()))
    return f"{len(names)} stargazers of {repository}\n\n{counts}\n" + "".join(f"{name}\n" for name in names)
