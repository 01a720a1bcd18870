"""House rules that no linter knows: sizes, names, docstrings, imports, and nothing that only pretends to work.

Each test collects every offence in the tree and shows them all. The rules are for hand-written sources; generated trees
and golden files have tests of their own.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = (
    "codegen",
    "runtime",
    "gateway",
    *(
        f"src/obelisk/{room.name}"
        for room in (ROOT / "src/obelisk").iterdir()
        if room.is_dir() and not room.is_symlink()
    ),
    "src/obelisk_guest",
)
PRODUCT_FILES = ("src/obelisk/__init__.py", "src/obelisk/__main__.py")
OTHERS = ("tests", "examples", "docs")
NOT_BY_HAND = ("tests/golden", "tests/cases", "tests/histories")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
CAPPED_SUFFIXES = {".py", ".j2", ".sql", ".wit", ".wat", ".toml"}
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}
RIDDLES = re.compile(r"\b(whoever|whomever|whom|nobody|somebody|anybody)\b", re.IGNORECASE)
PROSE_SUFFIXES = {".py", ".md", ".j2", ".wit", ".ts", ".svelte"}
NOT_NEEDED = {
    "src/obelisk/native/fiber.py:asked",  # of an observer that looks at nothing
    "src/obelisk/native/fiber.py:misused",
    "src/obelisk/native/fiber.py:interrupt",  # `close`, which follows, ends a native guest
    "src/obelisk/testing/replacing.py:interrupt",
    "src/obelisk/testing/replays.py:misused",  # the run that is replayed told of it
}
"""Functions that a Protocol asks for and that have nothing to do there."""
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
CHECKS_OF_LIBRARIES = frozenset({"run_state_machine_as_test", "call_and_validate", "validate_response", "validate"})
CALENDAR = re.compile(r"\b(datetime|date)\.(now|utcnow|today)\Z")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A Python source: its path below the root and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    def at(self, node: ast.stmt | ast.expr, what: str) -> str:
        return f"{self.path}:{node.lineno}: {what}"


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith(NOT_BY_HAND):
                yield path


@cache
def modules() -> tuple[Module, ...]:
    paths = [*files(*PRODUCT, *OTHERS), *(ROOT / name for name in PRODUCT_FILES)]
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in paths
        if path.suffix == ".py" and path.exists()
    )


def product_modules() -> Iterator[Module]:
    return (module for module in modules() if not module.path.startswith(OTHERS))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def decorators(node: Function | ast.ClassDef) -> set[str]:
    return {ast.unparse(decorator).partition("(")[0].rpartition(".")[2] for decorator in node.decorator_list}


def refuse(offences: list[str]) -> None:
    assert not offences, "\n" + "\n".join(offences)


# --- sizes and names ------------------------------------------------------------------------------------------------
def test_the_rules_see_the_sources() -> None:
    seen = {module.path.partition("/")[0] for module in modules()}
    assert {"codegen", "runtime", "gateway", "src", "tests", "examples"} <= seen


def test_files_are_short() -> None:
    offences: list[str] = []
    for path in files(*PRODUCT, *OTHERS, "wit"):
        if path.suffix in CAPPED_SUFFIXES:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MAX_FILE_LINES:
                offences.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {MAX_FILE_LINES}: split by topic")
    refuse(offences)


def test_functions_are_short() -> None:
    offences: list[str] = []
    for module in modules():
        for function in functions(module.tree):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                offences.append(module.at(function, f"{function.name} has {lines} lines, at most {MAX_FUNCTION_LINES}"))
    refuse(offences)


def test_file_names_say_what_is_in_them() -> None:
    offences = [
        str(path.relative_to(ROOT))
        for path in files(*PRODUCT, *OTHERS)
        if FORBIDDEN_WORDS & set(re.split(r"[_.-]", path.name.lower()))
    ]
    refuse(offences)


def test_test_files_have_names_of_their_own() -> None:
    """Pytest imports them by path; a failure report shows the name."""
    paths: dict[str, list[str]] = {}
    for path in files("tests"):
        if path.name.startswith("test_") and path.suffix == ".py":
            paths.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    refuse([", ".join(same) for same in paths.values() if len(same) > 1])


# --- docstrings -----------------------------------------------------------------------------------------------------
def test_every_module_states_its_contract() -> None:
    refuse([module.path for module in modules() if not (ast.get_docstring(module.tree) or "").strip()])


def undocumented(module: Module, body: list[ast.stmt], *, in_protocol: bool = False) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield module.at(node, f"class {node.name}")
            yield from undocumented(module, node.body)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            excused = decorators(node) & {"overload", "override", "setter", "deleter"}
            if not ast.get_docstring(node) and not excused:
                yield module.at(node, f"def {node.name}")


def test_public_names_have_docstrings() -> None:
    refuse([offence for module in product_modules() for offence in undocumented(module, module.tree.body)])


# --- imports --------------------------------------------------------------------------------------------------------
def import_offences(module: Module, node: ast.ImportFrom) -> Iterator[str]:
    if node.level:
        yield module.at(node, f"relative import of {node.module or '.'}")
        return
    name = node.module or ""
    if name.partition(".")[0] in {"codegen", "runtime", "gateway"}:
        yield module.at(node, f"{name} has the import name obelisk.{name}")
    package = ROOT / "src" / name.replace(".", "/")
    # What programs import of the client and worker libraries stands in their `__init__`: public names.
    if name.startswith("obelisk.") and name not in {"obelisk.client", "obelisk.worker"} and package.is_dir():
        for alias in node.names:
            if not (package / f"{alias.name}.py").exists() and not (package / alias.name).is_dir():
                yield module.at(node, f"{alias.name} comes from the package {name}: import its module")


def test_imports_are_absolute_and_name_modules() -> None:
    offences: list[str] = []
    for module in modules():
        if module.path.startswith("examples/"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom):
                offences += import_offences(module, node)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    folder = ROOT / "src" / alias.name.replace(".", "/")
                    if alias.name.startswith("obelisk.") and folder.is_dir():
                        offences.append(module.at(node, f"imports the package {alias.name}"))
    refuse(offences)


def test_generated_code_needs_three_modules_alone() -> None:
    """The modules that code of an older generator relies on; everything else may change."""
    seen: set[str] = set()
    for path in files("generated"):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    seen |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    seen.add(node.module or "")
    assert {name for name in seen if name.partition(".")[0] == "obelisk"} == {
        "obelisk.client",
        "obelisk.runtime.resources",
        "obelisk.runtime.values",
    }


# --- nothing that only pretends -------------------------------------------------------------------------------------
def is_empty(function: Function) -> bool:
    """Whether nothing but docstring, ``pass``, ``...`` or ``raise NotImplementedError`` is in the body."""
    for statement in function.body:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")) | ast.Name(id="NotImplementedError")):
                continue
            case _:
                return False
    return True


def empty_functions(module: Module, node: ast.AST, *, declares: bool = False) -> Iterator[str]:
    """Functions that do nothing, apart from those of Protocols, abstract methods, overloads and groups of commands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            bases = {ast.unparse(parent).partition("[")[0].rpartition(".")[2] for parent in child.bases}
            yield from empty_functions(module, child, declares="Protocol" in bases)
        elif isinstance(child, Function):
            excused = declares or decorators(child) & {"overload", "abstractmethod", "group"}
            if is_empty(child) and not excused:
                yield module.at(child, f"{child.name} does nothing")
        else:
            yield from empty_functions(module, child, declares=declares)


def test_no_function_is_a_stub() -> None:
    found = [offence for module in product_modules() for offence in empty_functions(module, module.tree)]
    refuse([offence for offence in found if re.sub(r":[0-9]+: ", ":", offence).split(" ")[0] not in NOT_NEEDED])


def test_nothing_is_left_to_do() -> None:
    offences: list[str] = []
    for path in files(*PRODUCT, *OTHERS):
        if path == Path(__file__).resolve() or path.suffix not in CAPPED_SUFFIXES:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if UNFINISHED.search(line):
                offences.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    refuse(offences)


def test_prose_names_who_does_what() -> None:
    """ "Whoever" and "nobody" hide the process, the client or the component that is meant."""
    offences: list[str] = []
    for path in [*files(*PRODUCT, "docs", "ui/src"), ROOT / "README.md"]:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in PROSE_SUFFIXES or name.startswith("docs/adr/"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if (found := RIDDLES.search(line)) is not None:
                offences.append(f"{name}:{number}: {found[0]}: name the one that is meant")
    refuse(offences)


def called_name(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


SKIPS = re.compile(r"(pytest\.(skip|xfail|importorskip)|(unittest|self)\.skip\w*)\Z")


def test_no_test_is_skipped() -> None:
    """But by `needs.require`, which lists at the end of a run what was not run, and lets it fail with CI=true."""
    offences: list[str] = []
    for module in modules():
        if not module.is_test or module.path == "tests/needs.py":
            continue
        for node in ast.walk(module.tree):
            marked = isinstance(node, ast.Attribute) and ast.unparse(node).startswith(
                ("pytest.mark.skip", "pytest.mark.xfail")
            )
            if isinstance(node, ast.expr) and (marked or SKIPS.match(called_name(node))):
                offences.append(module.at(node, ast.unparse(node)))
    refuse(offences)


def can_fail(function: Function, local_checks: frozenset[str]) -> bool:
    """Whether the body asserts, expects exceptions (and lets others through), or calls a function that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        name = called_name(node)
        if (
            name in {"pytest.raises", "pytest.fail", "pytest.warns", "contextlib.suppress"}
            or name.rpartition(".")[2] in local_checks
        ):
            return True
        if isinstance(node, ast.Raise) and node.exc is not None and "AssertionError" in ast.unparse(node.exc):
            return True
    return False


def checks_among(candidates: Iterable[Function], known: frozenset[str]) -> frozenset[str]:
    """The names of functions through which a test can fail, found until nothing new turns up."""
    pool = tuple(candidates)
    while True:
        found = known | {function.name for function in pool if can_fail(function, known)}
        if found == known:
            return known
        known = found


def test_every_test_can_fail() -> None:
    offences: list[str] = []
    sources = [module for module in modules() if module.is_test]
    support = [module for module in sources if not Path(module.path).name.startswith("test_")]
    shared = checks_among((f for module in support for f in functions(module.tree)), CHECKS_OF_LIBRARIES)
    for module in sources:
        checks = checks_among(functions(module.tree), shared)
        for function in functions(module.tree):
            if function.name.startswith("test_") and function.name not in checks:
                offences.append(module.at(function, f"{function.name} asserts nothing"))
    refuse(offences)


def test_nobody_asks_the_calendar() -> None:
    """The engine has a clock port, and a test that reads the calendar passes today and fails some other day."""
    offences = [
        module.at(node, ast.unparse(node))
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and CALENDAR.search(called_name(node))
    ]
    refuse(offences)


def test_no_file_puts_folders_on_the_path() -> None:
    """Where tests import from is a setting, the same for all of them and for the tools that read imports."""
    changes = {"sys.path.insert", "sys.path.append", "sys.path.extend", "site.addsitedir"}
    offences = [
        module.at(node, ast.unparse(node))
        for module in modules()
        # `obelisk worker run` finds a user's module as Python itself would.
        if module.path != "src/obelisk/cli/working/command.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and called_name(node) in changes
    ]
    refuse(offences)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    folders = set(tools["pytest"]["ini_options"]["pythonpath"]) - {"."}
    # What the guests' library imports is generated: one tree that tests hold is what type checkers read it with.
    assert set(tools["pyright"]["extraPaths"]) == folders | {"src", "tests/golden/every/tree/guest"}
    assert set(tools["ruff"]["src"]) == folders | {"src"}
    names = [path.stem for folder in folders for path in (ROOT / folder).glob("*.py") if path.stem != "conftest"]
    assert sorted(names) == sorted(set(names)), "two modules have one name"


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("def test_a():\n    assert f()", True),
        ("def test_a():\n    with pytest.raises(ValueError):\n        f()", True),
        ("def test_a():\n    f()", False),
        ("def test_a():\n    assert True", False),
    ],
)
def test_the_rule_on_tests_that_can_fail_is_itself_right(source: str, verdict: bool) -> None:
    (function,) = functions(ast.parse(source))
    assert can_fail(function, frozenset()) is verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [("pass", True), ('"""Words."""', True), ("raise NotImplementedError", True), ("raise ValueError", False)],
)
def test_the_rule_on_stubs_is_itself_right(body: str, verdict: bool) -> None:
    (function,) = functions(ast.parse(f"def f():\n    {body}"))
    assert is_empty(function) is verdict
