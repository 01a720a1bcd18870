"""`obelisk gen`: writes a tree, checks one, refuses what is wrong, and leaves nothing half-written."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from obelisk.cli.generating import shell as generating
from obelisk.cli.generating import tree as generated_tree
from obelisk.cli.generating import watching
from obelisk.cli.generating.command import gen
from obelisk.cli.progress import ProgressLine

WIT = "package t:p@1.0.0;\ninterface i {\n  record point { x: u8 }\n  f: func(p: point) -> result<point, string>;\n}\n"
FAST = "types,bindings,validators,openapi,client,wit"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "wit" / "p.wit"
    path.parent.mkdir()
    path.write_text(WIT)
    return path


def run(source: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(gen, [str(source.parent), "--out", str(out), "--only", FAST, *more])


def paths(out: Path) -> Sequence[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_writes_then_has_nothing_to_do(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(source, out)
    assert first.exit_code == 0
    assert "added    t_p/types/i.py\n" in first.stdout
    assert paths(out) == [
        "__init__.py",
        "t_p/__init__.py",
        "t_p/bindings/__init__.py",
        "t_p/bindings/i.py",
        "t_p/client.py",
        "t_p/forms/__init__.py",
        "t_p/forms/i.py",
        "t_p/openapi.json",
        "t_p/types/__init__.py",
        "t_p/types/i.py",
        "t_p/validators.py",
        *(f"t_p/wit/t_p-obelisk-{e}@1.0.0/t_p-obelisk-{e}@1.0.0.wit" for e in ("ext", "schedule", "stub")),
    ]
    before = {path: (out / path).stat().st_mtime_ns for path in paths(out)}
    assert run(source, out).stdout == f"{out}: 14 unchanged\n"
    assert {path: (out / path).stat().st_mtime_ns for path in paths(out)} == before


def test_check_lists_stale_missing_and_extra_files(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(source, out, "--check").exit_code == 1
    assert not out.exists()
    run(source, out)
    assert run(source, out, "--check").stdout == f"{out}: 14 up to date\n"
    (out / "t_p/types/i.py").write_text("")
    (out / "t_p/openapi.json").unlink()
    (out / "t_p/types/old.py").write_text((out / "t_p/validators.py").read_text())
    (out / "t_p/mine.py").write_text("# by hand\n")
    result = run(source, out, "--check")
    assert result.exit_code == 1
    expected = "missing  t_p/openapi.json\nstale    t_p/types/i.py\nextra    t_p/types/old.py\n"
    assert result.stdout == f"{expected}{out}: 1 missing, 1 stale, 1 extra, 12 up to date\n"
    result = run(source, out)
    assert result.exit_code == 0
    assert result.stdout.endswith(": 1 added, 1 updated, 1 removed, 12 unchanged\n")
    assert run(source, out, "--check").exit_code == 0
    assert (out / "t_p/mine.py").exists()


def test_what_goes_away_with_the_wit_is_removed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    source.write_text("package t:p@1.0.0;\ninterface j { g: func(); }\n")
    assert run(source, out).exit_code == 0
    assert "t_p/types/i.py" not in paths(out)
    assert not (out / "t_p/types").exists()
    assert run(source, out, "--check").exit_code == 0


def test_only_some_parts_leave_the_others_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    source.write_text(WIT.replace("u8", "u16"))
    result = CliRunner().invoke(gen, [str(source.parent), "--out", str(out), "--only", "openapi"])
    assert result.stdout == f"updated  t_p/openapi.json\n{out}: 1 updated, 0 unchanged\n"
    assert "t_p/types/i.py" in paths(out)


def test_bad_wit_is_shown_and_nothing_written(source: Path, tmp_path: Path) -> None:
    source.write_text(WIT.replace("point,", "pint,"))
    result = run(source, tmp_path / "out")
    assert result.exit_code == 1
    assert "p.wit:4:" in result.stderr
    assert "did you mean `point`?" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_no_wit_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in ("nothing", "empty"):
        result = CliRunner().invoke(gen, [str(tmp_path / path), "--out", str(tmp_path / "out")])
        assert result.exit_code == 1
        assert path in result.stderr


def test_bad_usage(source: Path, tmp_path: Path) -> None:
    unknown = CliRunner().invoke(gen, [str(source), "--out", str(tmp_path), "--only", "types,foo"])
    assert unknown.exit_code == 2
    assert (
        "no such part: foo; there are types, bindings, forms, validators, openapi, models, client, worker, wit,"
        " typescript" in unknown.stderr
    )
    assert CliRunner().invoke(gen, [str(source)]).exit_code == 2
    assert CliRunner().invoke(gen, ["--out", str(tmp_path)]).exit_code == 2
    assert run(source, tmp_path / "out", "--watch", "--check").exit_code == 2
    assert CliRunner().invoke(gen, [str(source), "--out", str(source)]).exit_code == 2


def test_functions_left_out_are_told(source: Path, tmp_path: Path) -> None:
    source.write_text("package t:p;\ninterface i { resource r; f: func() -> r; g: func() -> r; h: func(); }\n")
    result = run(source, tmp_path / "out")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: left out of HTTP: values of r cannot leave their component as JSON\n  t:p/i.f\n  t:p/i.g\n"
    )


def test_a_component_instead_of_wit(tmp_path: Path) -> None:
    component = Path(__file__).parents[3] / "examples/fibo/activity.wat"
    arguments = ["--component", str(component), "--out", str(tmp_path), "--only", "client,openapi"]
    result = CliRunner().invoke(gen, arguments)
    assert result.exit_code == 0, result.stderr
    assert {"demo_fibo/client.py", "demo_fibo/openapi.json", "root_component/bindings/root.py"} <= {*paths(tmp_path)}
    assert "self.fibo = FiboClient_Fibo(client, FIBO__FIBO)" in (tmp_path / "demo_fibo/client.py").read_text()
    assert "class RootExports:" in (tmp_path / "root_component/bindings/root.py").read_text()
    assert CliRunner().invoke(gen, [*arguments, "--check"]).exit_code == 0
    core = tmp_path / "core.wasm"
    core.write_bytes(b"\0asm\x01\0\0\0")
    refused = CliRunner().invoke(gen, ["--component", str(core), "--out", str(tmp_path)])
    assert refused.exit_code == 1
    assert "core.wasm" in refused.stderr


def test_wit_by_name(source: Path, tmp_path: Path) -> None:
    arguments = ["--wit", str(source.parent), "--out", str(tmp_path / "out"), "--only", "types"]
    assert CliRunner().invoke(gen, arguments).exit_code == 0
    assert "t_p/types/i.py" in paths(tmp_path / "out")


def test_watching(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            source.write_text("package t:p; interface i {")
        elif len(looks) == 5:
            source.write_text("package t:p; interface new { enum e { x } }")
        elif len(looks) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.changes, "__defaults__", (pause,))
    result = run(source, tmp_path / "out", "--watch")
    assert result.exit_code == 1  # the runner's word for an interrupt
    assert "added    t_p/types/i.py\n" in result.stdout
    assert "p.wit:1:" in result.stderr
    assert "removed  t_p/types/i.py\n" in result.stdout
    assert "t_p/types/new.py" in paths(tmp_path / "out")


def test_watched_files(source: Path, tmp_path: Path) -> None:
    before = watching.snapshot([tmp_path, tmp_path / "nothing.wit"])
    assert list(before) == [source]
    source.with_name("q.txt").write_text("no input")
    assert watching.snapshot([tmp_path]) == before
    source.with_name("q.wit").write_text("package t:q;")
    assert watching.snapshot([tmp_path]) != before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        line = ProgressLine(stream)
        line.clear()
        line.say("reading")
        line.say("x" * 200)
        line.clear()
        line.clear()
    assert terminal.getvalue() == f"\r\x1b[Kreading\r\x1b[K{'x' * 78}\r\x1b[K"
    assert pipe.getvalue() == ""


def test_progress_tells_every_package(source: Path, tmp_path: Path) -> None:
    said: list[str] = []
    generating.run([source], tmp_path / "out", only={"types"}, say=said.append)
    assert said == ["reading WIT", "generating t:p@1.0.0", "comparing files"]


def test_json(source: Path, tmp_path: Path) -> None:
    outcome = json.loads(run(source, tmp_path / "out", "--check", "--json").stdout)
    assert (outcome["ok"], outcome["check"], len(outcome["missing"]), outcome["stale"]) == (False, True, 14, [])
    source.write_text("package")
    outcome = json.loads(run(source, tmp_path / "out", "--json").stdout)
    assert outcome["ok"] is False
    assert outcome["diagnostics"][0]["severity"] == "error"


def test_a_folder_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(source, tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert result.stdout == ""


def test_a_failure_half_way_leaves_every_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = {"p/a.py": "old a", "p/b.py": "old b"}, {"p/a.py": "new a", "p/b.py": "new b"}
    generated_tree.apply(tmp_path, old, generated_tree.compare(tmp_path, old, bool))
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if data == b"new b":
            write(path, data[:3])
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        generated_tree.apply(tmp_path, new, generated_tree.compare(tmp_path, new, bool))
    assert {path: (tmp_path / path).read_text() for path in paths(tmp_path)} == old


def test_models_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.wit").write_text("package a:b; interface i { record r { title: u8 } f: func(p: r); }")
    arguments = [str(tmp_path / "a.wit"), "--out", str(tmp_path / "made")]
    assert CliRunner().invoke(gen, arguments).exit_code == 0
    assert not (tmp_path / "made/a_b/models.py").exists()
    assert CliRunner().invoke(gen, [*arguments, "--only", "models"]).exit_code == 0
    assert "title: Annotated[StrictInt" in (tmp_path / "made/a_b/models.py").read_text()


def test_models_of_what_the_tool_cannot_read(tmp_path: Path) -> None:
    nested = "option<" * 85 + "u8" + ">" * 85
    (tmp_path / "a.wit").write_text(f"package a:b; interface i {{ f: func(p: {nested}); }}")
    arguments = [str(tmp_path / "a.wit"), "--out", str(tmp_path / "made")]
    result = CliRunner().invoke(gen, [*arguments, "--only", "models"])
    assert result.exit_code == 1
    assert "error: a schema of A_B_I_F__Params_P" in result.stderr
    assert "nests more than 120 levels, too deep for models" in result.stderr
    assert CliRunner().invoke(gen, arguments).exit_code == 0


def test_models_without_their_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datamodel_code_generator", None)
    (tmp_path / "a.wit").write_text("package a:b; interface i { f: func(); }")
    result = CliRunner().invoke(gen, [str(tmp_path / "a.wit"), "--out", str(tmp_path / "made"), "--only", "models"])
    assert result.exit_code == 1
    assert "error: models need datamodel_code_generator: install obelisk-engine[models]" in result.stderr


def test_a_tree_becomes_a_distribution(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    before = {path: (out / path).read_text() for path in paths(out)}
    assert run(source, out, "--package", "our-client").exit_code == 0
    added = ["README.md", "pyproject.toml", "t_p/py.typed"]
    assert sorted({*paths(out)} - before.keys()) == added
    assert {path: (out / path).read_text() for path in before} == before
    project = tomllib.loads((out / "pyproject.toml").read_text())
    assert project["project"]["name"] == "our-client"
    assert project["project"]["version"] == "1.0.0"
    assert project["project"]["dependencies"] == ["obelisk-client>=0.1,<0.2"]
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["t_p"]
    assert "    import t_p.client\n" in (out / "README.md").read_text()
    assert run(source, out, "--package", "our-client", "--check").exit_code == 0
    for wrong in ("our client", "-x", 'x"', "x\n"):
        refused = run(source, out, "--package", wrong)
        assert refused.exit_code == 1
        assert "expected letters, digits" in refused.stderr
