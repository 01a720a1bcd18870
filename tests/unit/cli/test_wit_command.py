"""`obelisk wit`: what is printed where, exit statuses, and files that are only touched when they must be."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli import wit
from obelisk.cli.exit_status import ExitStatus
from obelisk.codegen.resolve.load import load

GOOD = "package demo:good@1.0.0;\n\ninterface i {\n  f: func() -> u32;\n  @unstable(feature = x)\n  g: func();\n}\n"
BAD = "package demo:bad;\n\ninterface i {\n  f: func() -> uint;\n}\n"
MESSY = "package demo:messy;interface i{f:func();}"
TIDY = "package demo:messy;\n\ninterface i {\n  f: func();\n}\n"
COMPONENT_TEXT = '(component (type $x (component (export "a:b/x" (instance)))) (export "x" (type $x)))'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"good": GOOD, "bad": BAD, "messy": MESSY}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.wit").write_text(text)
    return tmp_path


# --- check ----------------------------------------------------------------------------------------------------------
def test_check_accepts(folder: Path) -> None:
    ran = obelisk("wit", "check", str(folder / "good"))
    assert (ran.status, ran.out, ran.err) == (ExitStatus.OK, "", "no errors in demo:good@1.0.0\n")


def test_check_refuses(folder: Path) -> None:
    ran = obelisk("wit", "check", str(folder / "good"), str(folder / "bad"))
    assert (ran.status, ran.out) == (ExitStatus.INPUT, "")
    assert f"{folder}/bad/bad.wit:4:16: error[unknown-type]: there is no type `uint` here" in ran.err
    assert ran.err.endswith("  hint: WIT calls it `u32`\n1 error\n")


def test_check_counts(folder: Path) -> None:
    (folder / "bad" / "more.wit").write_text("interface j { f: func() -> nothing; }")
    assert obelisk("wit", "check", str(folder / "bad")).err.endswith("\n2 errors\n")


def test_check_for_tools(folder: Path) -> None:
    good = obelisk("wit", "check", "--json", str(folder / "good"))
    assert (good.status, good.json) == (ExitStatus.OK, {"ok": True, "diagnostics": []})
    bad = obelisk("wit", "check", "--json", str(folder / "bad"))
    assert (bad.status, bad.json["ok"]) == (ExitStatus.INPUT, False)
    (found,) = bad.json["diagnostics"]
    assert (found["code"], found["line"], found["column"], found["severity"]) == ("unknown-type", 4, 16, "error")


def test_check_a_path_that_is_not_there(folder: Path) -> None:
    ran = obelisk("wit", "check", str(folder / "nowhere"))
    assert ran.status == ExitStatus.INPUT
    assert ran.err.startswith(f"error[unreadable]: {folder}/nowhere: No such file or directory\n")


def test_a_path_is_needed() -> None:
    assert obelisk("wit", "check").status == ExitStatus.USAGE


# --- json and print -------------------------------------------------------------------------------------------------
def test_json_and_features(folder: Path) -> None:
    def functions(*options: str) -> list[str]:
        ran = obelisk("wit", "json", str(folder / "good"), *options)
        assert (ran.status, ran.err) == (ExitStatus.OK, "")
        return list(ran.json["interfaces"][0]["functions"])

    assert functions() == ["f"]
    assert functions("--features", "y, x") == ["f", "g"]
    assert functions("--features", "y") == ["f"]
    assert functions("--all-features") == ["f", "g"]


def test_print_reads_back(folder: Path) -> None:
    ran = obelisk("wit", "print", str(folder / "messy"))
    assert ran.status == ExitStatus.OK
    (folder / "again.wit").write_text(ran.out)
    assert load([folder / "again.wit"]).resolution == load([folder / "messy"]).resolution


@pytest.mark.parametrize("command", ["json", "print"])
def test_errors_leave_stdout_empty(folder: Path, command: str) -> None:
    ran = obelisk("wit", command, str(folder / "bad"))
    assert (ran.status, ran.out) == (ExitStatus.INPUT, "")
    assert "error[unknown-type]" in ran.err


def test_components(folder: Path) -> None:
    text = folder / "x.wat"
    text.write_text(COMPONENT_TEXT)
    ran = obelisk("wit", "print", str(text))
    assert (ran.status, ran.out.split()[:2]) == (ExitStatus.OK, ["package", "a:b;"])
    assert [p["name"] for p in obelisk("wit", "json", str(text)).json["packages"]] == ["a:b"]
    text.write_text("(component (nonsense))")
    refused = obelisk("wit", "check", str(text))
    assert refused.status == ExitStatus.INPUT
    assert "error[bad-binary]" in refused.err
    binary = folder / "x.wasm"
    binary.write_bytes(b"\0asm garbage")
    assert "error[bad-binary]" in obelisk("wit", "check", str(binary)).err


# --- fmt ------------------------------------------------------------------------------------------------------------
def test_fmt_writes_what_changes(folder: Path) -> None:
    (folder / "messy" / "messy.wit").chmod(0o640)
    ran = obelisk("wit", "fmt", str(folder / "messy"), str(folder / "good" / "good.wit"))
    assert (ran.status, ran.out, ran.err) == (ExitStatus.OK, "", f"changed: {folder}/messy/messy.wit\n")
    assert (folder / "messy" / "messy.wit").read_text() == TIDY
    assert (folder / "messy" / "messy.wit").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (folder / "messy").iterdir()] == ["messy.wit"]


def test_fmt_writes_through_a_link(folder: Path) -> None:
    link = folder / "link.wit"
    link.symlink_to(folder / "messy" / "messy.wit")
    assert obelisk("wit", "fmt", str(link)).status == ExitStatus.OK
    assert link.is_symlink()
    assert (folder / "messy" / "messy.wit").read_text() == TIDY


def test_fmt_that_cannot_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ran = obelisk("wit", "fmt", str(folder / "messy"))
    assert ran.status == ExitStatus.INPUT
    assert ran.err == f"error[unwritable]: {folder}/messy/messy.wit: No space left on device\n"
    assert [path.name for path in (folder / "messy").iterdir()] == ["messy.wit"]
    assert (folder / "messy" / "messy.wit").read_text() == MESSY


def test_fmt_check_writes_nothing(folder: Path) -> None:
    ran = obelisk("wit", "fmt", "--check", str(folder))
    assert (ran.status, ran.err) == (ExitStatus.INPUT, f"would change: {folder}/messy/messy.wit\n")
    assert (folder / "messy" / "messy.wit").read_text() == MESSY
    assert obelisk("wit", "fmt", "--check", str(folder / "good")).status == ExitStatus.OK


def test_fmt_tells_programs_what_it_did(folder: Path) -> None:
    messy = str(folder / "messy" / "messy.wit")
    ran = obelisk("wit", "fmt", "--check", "--json", str(folder))
    assert (ran.status, ran.json, ran.err) == (ExitStatus.INPUT, {"changed": [messy], "diagnostics": []}, "")
    assert obelisk("wit", "fmt", "--json", str(folder)).json == {"changed": [messy], "diagnostics": []}
    assert obelisk("wit", "fmt", "--json", str(folder)).json == {"changed": [], "diagnostics": []}
    (folder / "messy" / "messy.wit").write_text("package")
    faulty = obelisk("wit", "fmt", "--json", str(folder))
    assert (faulty.status, faulty.json["diagnostics"][0]["severity"]) == (ExitStatus.INPUT, "error")
    assert obelisk("wit", "fmt", "--json", "-").status == ExitStatus.USAGE


def test_fmt_leaves_dependencies_and_faulty_files_alone(folder: Path) -> None:
    deps = folder / "messy" / "deps" / "x"
    deps.mkdir(parents=True)
    (deps / "x.wit").write_text(MESSY)
    (folder / "messy" / "faulty.wit").write_text("interface {")
    ran = obelisk("wit", "fmt", str(folder / "messy"))
    assert ran.status == ExitStatus.INPUT
    assert "error[unexpected-token]" in ran.err
    assert f"changed: {folder}/messy/messy.wit\n" in ran.err
    assert (deps / "x.wit").read_text() == MESSY
    assert (folder / "messy" / "faulty.wit").read_text() == "interface {"


def test_fmt_of_what_cannot_be_read(folder: Path) -> None:
    (folder / "latin.wit").write_bytes(b"// \xe9")
    (folder / "empty").mkdir()
    ran = obelisk("wit", "fmt", str(folder / "latin.wit"), str(folder / "none.wit"), str(folder / "empty"))
    assert ran.status == ExitStatus.INPUT
    assert f"{folder}/latin.wit: not UTF-8 text (byte 3)" in ran.err
    assert f"{folder}/none.wit: No such file or directory" in ran.err
    assert f"{folder}/empty: there is no `.wit` file in this folder" in ran.err


def test_fmt_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    def stdin(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    stdin(MESSY)
    assert obelisk("wit", "fmt", "-").out == TIDY
    stdin(MESSY)
    ran = obelisk("wit", "fmt", "--check", "-")
    assert (ran.status, ran.out) == (ExitStatus.INPUT, "")
    stdin("interface {")
    assert "stdin:1:11: error[unexpected-token]" in obelisk("wit", "fmt", "-").err


def test_read_binary_says_what_is_wrong() -> None:
    assert wit.read_binary(b"")[0] is None
    assert wit.read_binary(b"\xff")[1] != []
