"""Worlds that follow from the code, and what is told where they do not: places in the author's files, in his words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from obelisk.cli.building import inferred
from obelisk.cli.building.inference import infer
from obelisk.cli.building.modules import modules
from obelisk.cli.building.worlds import extend
from obelisk.cli.errors import CommandError
from obelisk.codegen.emit.guest.layout import Guest

WIT = """
package app:shop@1.0.0;
interface types { record item { name: string } variant refusal { sold-out, broken(string) } }
interface stock {
  use types.{item, refusal};
  record order { item: item, count: u8 }
  reserve: func(order: order) -> result<_, refusal>;
  free: func(order: order);
}
interface orders {
  use types.{item};
  record placed { id: string }
  place: func(item: item, count: u8) -> result<placed, string>;
}
"""
FLOW = """
from wit_world import exports
from wit_world.exports.orders import Placed
from wit_world.imports import log, stock, stock_ext, workflow_support as engine
from wit_world.imports.types import Item


class Orders(exports.Orders):
    def place(self, item: Item, count: int) -> Placed:
        stock.reserve(stock.Order(item, count))
        return Placed(engine.execution_id_current().id)
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    folder = tmp_path_factory.mktemp("project")
    (folder / "wit").mkdir()
    (folder / "wit/shop.wit").write_text(WIT)
    return inferred.offered([folder / "wit"], extend([folder / "wit"], folder / "generated"))


def world(folder: Path, guest: Guest, files: Mapping[str, str], entry: str = "flow.py") -> tuple[list[str], list[str]]:
    """The names of what a component of these files imports and exports."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = infer(modules(folder / entry, "src"), guest)
    return sorted(map(str, found.imports)), sorted(map(str, found.exports))


def problems(folder: Path, guest: Guest, files: Mapping[str, str]) -> list[str]:
    with pytest.raises(CommandError) as raised:
        world(folder, guest, files)
    assert raised.value.code == "build_failed"
    return raised.value.message.splitlines()


def test_exports_follow_from_classes_and_imports_from_imports(tmp_path: Path, guest: Guest) -> None:
    assert world(tmp_path, guest, {"flow.py": FLOW}) == (
        [
            "app:shop-obelisk-ext/stock@1.0.0",
            "app:shop/stock@1.0.0",
            "app:shop/types@1.0.0",
            "obelisk:log/log@1.0.0",
            "obelisk:workflow/workflow-support@6.0.0",
        ],
        ["app:shop/orders@1.0.0"],
    )


def test_what_the_modules_of_the_folder_use_counts(tmp_path: Path, guest: Guest) -> None:
    files = {
        "flow.py": "from implementation import Orders\n\nunused = Orders\n",
        "implementation.py": (
            "import wit_world.exports as e\nfrom parts.saga import undo\n\n\n"
            "class Orders(e.Orders):\n    def place(self, item, count):\n        return undo(item)\n"
        ),
        "parts/__init__.py": "",
        "parts/saga.py": (
            "def undo(item):\n    import wit_world.imports.stock as s\n    from . import words\n"
            "    return s.free(words.W)\n"
        ),
        "parts/words.py": "import wit_world\n\nW = wit_world.imports.log.info\n",
        "other.py": "from wit_world.imports import workflow_support\n",
    }
    imports = ["app:shop/stock@1.0.0", "obelisk:log/log@1.0.0"]
    assert world(tmp_path, guest, files) == (imports, ["app:shop/orders@1.0.0"])


def test_modules_that_are_named_at_run_time_may_be_any_of_the_folder(tmp_path: Path, guest: Guest) -> None:
    files = {
        "flow.py": FLOW.replace("import log, ", "import ")
        + "\nimport importlib\n\nimportlib.import_module('o' + 'ther')\n",
        "other.py": "from wit_world.imports import join_set\n",
    }
    assert "obelisk:types/join-set@5.0.0" in world(tmp_path, guest, files)[0]


def test_a_name_that_is_bound_otherwise_as_well_is_no_interface(tmp_path: Path, guest: Guest) -> None:
    text = FLOW + "\n\ndef note(log: list[str]) -> None:\n    log.append('x')\n"
    assert "obelisk:log/log@1.0.0" in world(tmp_path, guest, {"flow.py": text})[0]


HEAD = "from wit_world import exports\n"
PLACE = "    def place(self, item, count): ...\n"
MISTAKES = {
    "an interface that does not exist": (
        HEAD + "from wit_world.imports import stok\n\n\nclass Orders(exports.Orders):\n" + PLACE,
        "src/flow.py:2:31: the project's WIT has no interface for `wit_world.imports.stok`; did you mean `stock`?",
    ),
    "a function that does not exist": (
        HEAD
        + "from wit_world.imports import stock\n\n\nclass Orders(exports.Orders):\n"
        + PLACE.replace("...", "stock.reserv()"),
        "src/flow.py:6:35: the interface app:shop/stock@1.0.0 has no `reserv`; did you mean `reserve`?",
    ),
    "a wrong name of an export": (
        HEAD + "\n\nclass Order(exports.Order):\n" + PLACE,
        "src/flow.py:4:13: the project's WIT has no interface for `exports.Order`; did you mean `Orders`?",
    ),
    "a class of another name": (
        HEAD + "\n\nclass Flow(exports.Orders):\n" + PLACE,
        "src/flow.py:4:1: class Flow implements app:shop/orders@1.0.0, and the engine looks for it in src/flow.py "
        "under the name Orders: call the class Orders",
    ),
    "a class without its base": (
        "class Orders:\n" + PLACE,
        "src/flow.py:1:1: write `class Orders(exports.Orders)`, with `from wit_world import exports`",
    ),
    "no class at all": (
        "def place(item, count): ...\n",
        "src/flow.py:1:1: no class here implements an interface of the project, so the component would export nothing; "
        "derive a class from one of these: exports.Stock, exports.Orders",
    ),
    "a method of another name": (
        HEAD + "\n\nclass Orders(exports.Orders):\n" + PLACE.replace("place", "places"),
        "src/flow.py:5:5: Orders has no method `place` for app:shop/orders@1.0.0.place: it is called `places` here",
    ),
    "no method": (
        HEAD + "\n\nclass Orders(exports.Orders):\n    pass\n",
        "src/flow.py:4:1: Orders has no method `place` for app:shop/orders@1.0.0.place: add "
        "`def place(self, item, count)`",
    ),
    "other parameters": (
        HEAD + "\n\nclass Orders(exports.Orders):\n    def place(self, item): ...\n",
        "src/flow.py:5:5: `place` takes other parameters than app:shop/orders@1.0.0.place: write "
        "`def place(self, item, count)`",
    ),
    "an asynchronous method": (
        HEAD + "\n\nclass Orders(exports.Orders):\n    async def place(self, item, count): ...\n",
        "src/flow.py:5:5: `place` is `async`, and app:shop/orders@1.0.0.place is not: write `def`",
    ),
    "types from the wrong side": (
        HEAD + "from wit_world.exports.stock import Order\n\n\nclass Orders(exports.Orders):\n" + PLACE,
        "src/flow.py:2:37: the component does not implement app:shop/stock@1.0.0: import its types from "
        "`wit_world.imports.stock`",
    ),
    "types of what it implements": (
        HEAD + "from wit_world.imports.orders import Placed\n\n\nclass Orders(exports.Orders):\n" + PLACE,
        "src/flow.py:2:38: the component implements app:shop/orders@1.0.0, so its types are in "
        "`wit_world.exports.orders`: import them from there",
    ),
    "everything": (
        HEAD + "from wit_world.imports import *\n\n\nclass Orders(exports.Orders):\n" + PLACE,
        "src/flow.py:2:31: `*` does not say which interfaces the component uses",
    ),
    "a module that is handed on": (
        "from wit_world import exports, imports\n\n\nclass Orders(exports.Orders):\n"
        + PLACE.replace("...", "print(imports)"),
        "src/flow.py:5:41: `wit_world.imports` is used without a dot, which does not say which interfaces",
    ),
    "no Python": (
        HEAD + "\n\nclass Orders(exports.Orders)\n",
        "src/flow.py:4:29: this is not Python: expected ':'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, guest: Guest, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    assert problems(tmp_path, guest, {"flow.py": text})[0] == message


def test_all_mistakes_are_told_at_once(tmp_path: Path, guest: Guest) -> None:
    files = {
        "flow.py": HEAD + "from more import x\n\n\nclass Orders(exports.Orders):\n    pass\n",
        "more.py": "from wit_world.imports import stok\nx = 1\n",
    }
    told = problems(tmp_path, guest, files)
    assert [line.partition(": ")[0] for line in told] == ["src/flow.py:5:1", "src/more.py:1:31"]


def test_a_class_in_another_module_has_to_be_imported(tmp_path: Path, guest: Guest) -> None:
    files = {"flow.py": "import more\n\nx = more\n", "more.py": HEAD + "\n\nclass Orders(exports.Orders):\n" + PLACE}
    assert problems(tmp_path, guest, files)[0].endswith("add `from more import Orders` to src/flow.py")
