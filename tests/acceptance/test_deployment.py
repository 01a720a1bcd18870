"""The container image and the service, as far as they can be tried without their engines: in a scratch folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import needs
from obelisk.runtime.wiring.config import parse

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile with their continued lines joined."""
    lines = [line for line in (ROOT / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", "")
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_what_the_image_copies_is_there() -> None:
    copied = [rest.split()[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    assert len(copied) > 5
    assert not [path for paths in copied for path in paths if not (ROOT / path).exists()]


def test_the_image_is_one_of_a_user_without_rights_that_gets_signals_itself() -> None:
    names = [name for name, _ in instructions()]
    assert names.count("FROM") == 2
    assert arguments("USER") == ["obelisk"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert arguments("ENTRYPOINT") == ['["obelisk"]']
    assert arguments("CMD")[-1] == '["server", "run", "--config", "/etc/obelisk/obelisk.toml"]'


def test_the_image_s_own_configuration_is_good() -> None:
    config = parse((ROOT / "deploy/container.toml").read_text(), file=Path("/etc/obelisk/obelisk.toml"))
    assert (config.host, config.port) == ("0.0.0.0", 8080)
    assert str(config.database).startswith("/data/")
    assert str(config.cache).startswith("/data/")
    assert "EXPOSE 8080" in (ROOT / "Containerfile").read_text()


def test_the_commands_that_build_the_image_build_a_program(tmp_path: Path) -> None:
    """Each is run as it stands, with its absolute paths moved into a scratch folder."""
    source = tmp_path / "source"
    source.mkdir()
    for rest in arguments("COPY"):
        if rest.startswith(("--from", "deploy")):
            continue
        *paths, target = rest.split()
        for path in paths:
            place = source / path if target == "./" else source / target
            if (ROOT / path).is_dir():
                shutil.copytree(ROOT / path, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / path, place)
    (build,) = (rest for rest in arguments("RUN") if "pip wheel" in rest)
    moved = re.sub(r"(?<![\w.])/(opt|tmp)/", rf"{tmp_path}/\1/", build)
    moved = moved.replace("python -m venv", f"{sys.executable} -m venv", 1)
    (tmp_path / "tmp").mkdir()
    subprocess.run(["sh", "-euc", moved], cwd=source, check=True, capture_output=True, timeout=600)
    program = tmp_path / "opt/obelisk/bin/obelisk"
    ran = subprocess.run([program, "config", "check"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "[server]" in ran.stdout
    installed = {path.name.partition("-")[0] for path in (tmp_path / "opt").rglob("*.dist-info")}
    assert "obelisk_engine" in installed
    assert not {"mypy", "pytest", "sphinx", "pyright"} & installed


def test_the_service_s_own_configuration_writes_to_its_state_folder_alone() -> None:
    config = parse((ROOT / "deploy/obelisk.toml").read_text(), file=Path("/etc/obelisk/obelisk.toml"))
    for path in (config.database, config.cache, config.tokens):
        assert path.is_relative_to("/var/lib/obelisk")
    assert "StateDirectory=obelisk\n" in service()


def service() -> str:
    return (ROOT / "deploy/obelisk.service").read_text()


def test_the_service_starts_the_server() -> None:
    (start,) = re.findall(r"^ExecStart=(\S+) (.*)$", service(), re.MULTILINE)
    assert start == ("/opt/obelisk/bin/obelisk", "server run --config /etc/obelisk/obelisk.toml")
    sections = re.findall(r"^\[(\w+)\]$", service(), re.MULTILINE)
    assert sections == ["Unit", "Service", "Install"]


def test_the_service_is_one_that_systemd_takes(tmp_path: Path) -> None:
    needs.require("systemd-analyze")
    unit = tmp_path / "obelisk.service"
    unit.write_text(service().replace("/opt/obelisk/bin/obelisk", shutil.which("true") or "/bin/true"))
    ran = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("name", ["docs/installation.md"])
def test_the_page_names_what_there_is(name: str) -> None:
    text = (ROOT / name).read_text()
    for path in ("Containerfile", "deploy/obelisk.service", "deploy/obelisk.toml"):
        assert path in text
        assert (ROOT / path).exists()
