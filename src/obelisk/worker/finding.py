"""The worker that a module has, or that is made of what it implements."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final, cast

from obelisk.worker.operations import Served
from obelisk.worker.worker import Worker

_DEFAULT: Final = "worker"


class NotServed(Exception):
    """What was named is no worker and makes none. `hint`: what there is instead; `usage`: the options are wrong."""

    def __init__(self, message: str, *, hint: str = "", usage: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.usage = message, hint, usage


def found(target: str, options: Mapping[str, Any]) -> Worker:
    """The worker for ``MODULE[:ATTRIBUTE]``. NotServed for a module or attribute that is not there or is none."""
    name, _, attribute = target.partition(":")
    module = _module(name)
    if attribute:
        if not hasattr(module, attribute):
            raise NotServed(f"{name} has no {attribute}", hint=_hint(module))
        value: Any = getattr(module, attribute)
    else:
        value = getattr(module, _DEFAULT, None) or _implementations(module)
    if isinstance(value, Worker):
        useless = sorted(options.keys() - {"url"})
        if useless:
            message = f"{target} is a Worker and has its own {', '.join(useless)}"
            raise NotServed(message, hint="set them where the Worker is made", usage=True)
        value.url = options.get("url") or value.url
        return value
    items = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]
    handlers = [item() if _is_implementation(item) else item for item in items]
    wrong = [item for item in handlers if not isinstance(item, Served)]
    if wrong or not handlers:
        kind = f"a {type(wrong[0]).__name__}" if wrong else "nothing of that kind"
        message = f"{target}: expected a Worker, or what implements generated …Worker classes, found {kind}"
        raise NotServed(message, hint=_hint(module))
    return Worker(handlers=handlers, **options)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise NotServed(f"{name} cannot be imported: {error}") from error
        hint = "modules are found from the current folder on, and where Python finds others"
        raise NotServed(f"no module {name}", hint=hint) from None


def _implementations(module: ModuleType) -> list[type[Served]]:
    """The classes that the module itself declares and that lack no method."""
    return [
        value
        for value in vars(module).values()
        if _is_implementation(value) and value.__module__ == module.__name__ and not inspect.isabstract(value)
    ]


def _is_implementation(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Served)


def _hint(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Worker | Served)]
    names += [item.__name__ for item in _implementations(module)]
    return f"it has {', '.join(names)}" if names else "it has neither a Worker nor an implementation"
