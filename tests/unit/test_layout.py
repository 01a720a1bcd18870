"""The layout: real folders at the top, one import name per module, and locked packages that any machine can install."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
import tomllib
from collections import defaultdict
from importlib import resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import obelisk

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("codegen", "runtime", "gateway", "wit")
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_leads_to_the_real_folder(name: str) -> None:
    link = ROOT / "src/obelisk" / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../../{name}"
    assert link.is_dir()


def test_every_module_has_one_name() -> None:
    for info in pkgutil.walk_packages(obelisk.__path__, "obelisk."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    names: dict[str, set[str]] = defaultdict(set)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name.partition(".")[0] in {"obelisk", *FOLDERS}:
            names[os.path.realpath(file)].add(name)
    assert len(names) > 10
    assert not {file: same for file, same in names.items() if len(same) > 1}
    assert not set(FOLDERS) & set(sys.modules)


@pytest.mark.parametrize("name", ["codegen", "runtime", "gateway"])
def test_a_top_level_import_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    with pytest.raises(ImportError, match=rf"import obelisk\.{name}"):
        importlib.import_module(name)


@pytest.mark.parametrize("package", ["obelisk_types@5.0.0", "obelisk_workflow@6.0.0", "obelisk_log@1.0.0"])
def test_the_engines_wit_is_part_of_the_package(package: str) -> None:
    sources = [
        entry for entry in (resources.files("obelisk") / "wit" / package).iterdir() if entry.name.endswith(".wit")
    ]
    namespace, _, rest = package.partition("_")
    assert [source.read_text().partition(";")[0] for source in sources] == [f"package {namespace}:{rest}"]


# --- the lock file --------------------------------------------------------------------------------------------------
def lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_file_names_no_machine() -> None:
    assert "://" not in lock()
    assert "file:" not in lock()
    assert not re.search(r"^\s*-(?!-hash)", lock(), re.MULTILINE)


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock())
    unhashed = [entry.split()[0] for entry in entries if PIN.match(entry) and "--hash=sha256:" not in entry]
    assert not unhashed


def test_the_lock_file_fits_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = {name: Version(version) for name, version in PIN.findall(lock())}
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    requirements = [Requirement(text) for text in wanted]
    unlocked = [str(r) for r in requirements if r.name not in pins or pins[r.name] not in r.specifier]
    assert len(requirements) > 20
    assert not unlocked
