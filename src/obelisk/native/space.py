"""Modules of one guest: loaded anew for each execution, as a component's instance is, and apart from the process's own.

A guest imports the bindings of its component, its own files, and packages, each in a copy of its own; Python's library
is shared, but for the modules that `library` gives in other forms. While guest code runs, its modules stand in
`sys.modules` under their names, because Python's library looks there (dataclasses, pickle); `installed` puts them there
and takes them out again.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, cast

_STANDARD: Final = frozenset(sys.stdlib_module_names)
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A module's compiled text. `file` is what tracebacks name; `path`: where a package's modules are."""

    code: CodeType
    file: str
    path: str | None = None


def source_of_text(text: str, file: str, *, is_package: bool) -> Source:
    """A module that has no file; its text is shown in tracebacks all the same."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return Source(code=compile(text, file, "exec", dont_inherit=True), file=file, path=file if is_package else None)


class Files:
    """The modules of some folders, compiled when first asked for; `folders` first, then Python's own path."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [str(folder) for folder in folders]
        self._known: dict[str, Source | None] = {}

    def own(self, file: str) -> bool:
        """Whether a file lies in one of the folders: it is the author's."""
        return any(Path(file).is_relative_to(folder) for folder in self._folders)

    def find(self, name: str, within: str | None) -> Source | None:
        """A module by its full name; `within`: the folder of the package that it is in. ImportError for native code."""
        if name not in self._known:
            self._known[name] = self._read(name, within)
        return self._known[name]

    def _read(self, name: str, within: str | None) -> Source | None:
        path = [within] if within is not None else [*self._folders, *sys.path]
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None:
            return None
        if not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            raise ImportError(
                f"{name} has native code ({Path(spec.origin).name}), which no component can have", name=name
            )
        code = compile(Path(spec.origin).read_bytes(), spec.origin, "exec", dont_inherit=True)
        locations = spec.submodule_search_locations
        return Source(code=code, file=spec.origin, path=next(iter(locations)) if locations else None)


class Space:
    """See the module's text. `sources` are modules without files, `base` has modules that several spaces share,
    `replaced` make what stands for modules of Python's library, `more` are other names in `builtins`."""

    def __init__(
        self,
        *,
        sources: Mapping[str, Source] | None = None,
        base: Space | None = None,
        files: Files | None = None,
        replaced: Mapping[str, Callable[[Space], ModuleType]] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        self._sources, self._base, self._files = sources or {}, base, files
        self._replaced, self._made_here = replaced or {}, dict[str, ModuleType]()
        self._own: dict[str, ModuleType] = {}
        self._hidden: dict[str, object] | None = None
        self._builtins = {**vars(builtins), **(more or {}), "__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """The module of that name, run if it was not yet. What its code raises; ModuleNotFoundError."""
        found = self._found(name)
        if found is not None:
            return found
        parent, _, child = name.rpartition(".")
        package = self.load(parent) if parent else None
        source = self._source(name, None if package is None else _path(package))
        if source is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = self._made(name, source)
        if package is not None:
            setattr(package, child, module)
        return module

    def clone(self, name: str) -> ModuleType:
        """A copy of a module of Python's library, which imports through this space."""
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        code = cast("Any", spec.loader).get_code(name)
        before = sys.modules.get(name, _ABSENT)
        module = self._made(name, Source(code=code, file=spec.origin))
        del self._own[name]
        if self._hidden is not None:
            self._hidden.pop(name, None)
        _put_back(name, before)
        return module

    @contextlib.contextmanager
    def installed(self) -> Generator[None]:
        """While this lasts the modules are in `sys.modules`, those too that are loaded meanwhile. May be nested."""
        if self._hidden is not None:
            yield
            return
        self._hidden = {name: sys.modules.get(name, _ABSENT) for name in self._names()}
        for name in self._hidden:
            sys.modules[name] = self.load(name)
        try:
            yield
        finally:
            hidden, self._hidden = self._hidden, None
            for name, old in hidden.items():
                _put_back(name, old)

    def _names(self) -> list[str]:
        return [*(self._base._names() if self._base is not None else ()), *self._own]

    def _found(self, name: str) -> ModuleType | None:
        found = self._own.get(name) or self._made_here.get(name)
        if found is None and name in self._replaced:
            found = self._made_here[name] = self._replaced[name](self)
        return found if found is not None or self._base is None else self._base._found(name)

    def _source(self, name: str, within: str | None) -> Source | None:
        if name in self._sources:
            return self._sources[name]
        if self._base is not None and (found := self._base._source(name, within)) is not None:
            return found
        return None if self._files is None else self._files.find(name, within)

    def _made(self, name: str, source: Source) -> ModuleType:
        module = ModuleType(name)
        module.__file__ = source.file
        module.__package__ = name if source.path is not None else name.rpartition(".")[0]
        if source.path is not None:
            module.__path__ = [source.path]
        vars(module)["__builtins__"] = self._builtins
        self._own[name] = module
        before = sys.modules.get(name, _ABSENT)
        sys.modules[name] = module
        try:
            exec(source.code, vars(module))
        except BaseException:
            del self._own[name]
            _put_back(name, before)
            raise
        if self._hidden is None:
            _put_back(name, before)
        else:
            self._hidden.setdefault(name, before)
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What stands for `__import__` in the guest's modules."""
        if level:
            name = importlib.util.resolve_name(f"{'.' * level}{name}", (globals or {}).get("__package__") or "")
        top = name.partition(".")[0]
        if top in _STANDARD and self._found(top) is None:
            return builtins.__import__(name, globals, locals, fromlist or (), 0)
        if top in _STANDARD and self._found(name) is None:  # a part of a package that has another form here
            builtins.__import__(name)
            return sys.modules[name] if fromlist else self.load(top)
        module = self.load(name)
        if not fromlist:
            return self.load(top)
        for one in fromlist:
            if one != "*" and not hasattr(module, one) and hasattr(module, "__path__"):
                with contextlib.suppress(ModuleNotFoundError):
                    self.load(f"{name}.{one}")
        return module


def _put_back(name: str, module: object) -> None:
    if module is _ABSENT:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = cast("ModuleType", module)


def _path(package: ModuleType) -> str | None:
    path = getattr(package, "__path__", None)
    return next(iter(path), None) if path else None
