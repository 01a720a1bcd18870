"""From `obelisk new` to an answer over HTTP, in every language, as a user does it; and what a user is told on the way.

Projects stand in ``.cache/tests/projects``, so that a component is built again only when what it is made from changed.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kept
import needs
from obelisk.cli.building import toolchains

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk

PROJECTS = kept.CACHE / "projects"


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBELISK_TOOLS", str(kept.TOOLS))


def project(folder: Path, language: str) -> Path:
    """A new project, with what was built for one like it."""
    made = obelisk("new", "my-greeter", "--lang", language, "--into", str(folder))
    assert made.status == 0, made.err
    with kept.alone(f"project-{language}"):
        if (PROJECTS / language).exists():
            shutil.copytree(PROJECTS / language, folder / "build")
    return folder


def built(folder: Path, language: str) -> None:
    """Build it, and keep what was built."""
    if language == "rust":
        needs.require("rustc")
    ran = obelisk("build", str(folder))
    assert ran.status == 0, ran.err
    with kept.alone(f"project-{language}"):
        shutil.rmtree(PROJECTS / language, ignore_errors=True)
        shutil.copytree(folder / "build", PROJECTS / language)


@pytest.mark.parametrize("language", ["python", "js", "c", "rust"])
def test_a_new_project_builds_and_runs_at_once(tmp_path: Path, language: str) -> None:
    folder = project(tmp_path / "app", language)
    built(folder, language)
    assert (folder / "generated/app_my_greeter/wit/app_my-greeter-obelisk-ext").is_dir()
    again = obelisk("build", str(folder), "--json")
    assert [item["built"] for item in again.json["items"]] == [False, False]
    text = (folder / "obelisk.toml").read_text().replace('[server]\nlisten = "127.0.0.1:8080"\n', "")
    text += f'\n[cache]\npath = "{kept.COMPILED}"\n'
    (folder / "obelisk.toml").write_text(text)
    added = obelisk("component", "add", str(folder), "--config", str(folder / "obelisk.toml"))
    assert added.status == 0, added.err
    assert added.out.startswith("activity activity sha256:")
    server = acceptance.Server(folder, text)
    try:
        server.start()
        path = "/v1/functions/app:my-greeter/workflow/greet-all"
        good = server.http.post(path, json={"names": ["Ada", "Grace", "Ada"]})
        assert (good.status_code, good.json()) == (200, ["Hello, Ada!", "Hello, Grace!", "Hello, Ada!"])
        bad = server.http.post(path, json={"names": ["Ada", ""]})
        assert (bad.status_code, bad.json()["error"]) == (422, "the name is empty")
        assert server.http.post(path, json={"names": []}).json() == []
    finally:
        server.close()


def test_a_native_project_runs_as_its_readme_says(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    made = obelisk("new", "my-greeter", "--lang", "python", "--native", "--into", str(folder))
    assert made.status == 0, made.err
    with kept.alone("project-native"):
        if (PROJECTS / "native").exists():
            shutil.copytree(PROJECTS / "native", folder / "build")
    ran = obelisk("build", str(folder))
    assert ran.status == 0, ran.err
    assert ran.out.startswith("generated ")
    with kept.alone("project-native"):
        shutil.rmtree(PROJECTS / "native", ignore_errors=True)
        shutil.copytree(folder / "build", PROJECTS / "native")
    again = obelisk("build", str(folder))
    assert [line.partition(" /")[0].split()[:3] for line in again.out.splitlines()] == [["up", "to", "date"]] * 2
    text = (folder / "obelisk.toml").read_text().replace('[server]\nlisten = "127.0.0.1:8080"\n', "")
    server = acceptance.Server(folder, f'{text}\n[cache]\npath = "{kept.COMPILED}"\n')
    try:
        server.start()
        readme = (folder / "README.md").read_text()
        (curl,) = re.findall(r"^    (curl .*\n      .*)\n", readme, re.MULTILINE)
        shell = ["bash", "-c", curl.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")]
        assert json.loads(subprocess.run(shell, capture_output=True, check=True).stdout) == [
            "Hello, Ada!",
            "Hello, Grace!",
        ]
        bad = server.http.post("/v1/functions/app:my-greeter/workflow/greet-all", json={"names": ["Ada", ""]})
        assert (bad.status_code, bad.json()["error"]) == (422, "the name is empty")
        assert "greeting Ada" in server.log()
        for place in re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE):
            assert (folder / place).exists(), place
    finally:
        server.close()


def break_source(folder: Path, name: str, old: str, new: str) -> None:
    source = next(folder.glob(f"{name}/{name}.*"))
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("language", "old", "new", "parts"),
    [
        ("python", "import log", "import logs", ["app/activity/activity.py:5:31: ", "did you mean `log`?"]),
        (
            "python",
            "class Greetings",
            "undefined\n\n\nclass Greetings",
            ["app/activity/activity.py", "line 8, in <module>", "undefined"],
        ),
        ("js", "the name is empty'", "the name is empty", ["activity/activity.js:7:"]),
        ("c", "log_info(name);", "log_info(name)", ["app/activity/activity.c:13:19: error: expected ';'"]),
        ("c", "log_info(name)", "log_inform(name)", ["app/activity/activity.c:13:5: error", "log_inform"]),
        ("rust", "name.is_empty()", "name.is_emty()", ["app/activity/activity.rs:9:17", "no method named `is_emty`"]),
        ("rust", "world::export!(Activity);", "", ["end the source with `world::export!(TYPE);`"]),
        ("js", "export const", "undefined.x; export const", ["activity/activity.js:4:", "undefined"]),
    ],
)
def test_an_error_in_the_source_is_shown_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, old: str, new: str, parts: list[str]
) -> None:
    if language == "rust":
        needs.require("rustc")
    monkeypatch.chdir(tmp_path)
    folder = project(tmp_path / "app", language)
    break_source(folder, "activity", old, new)
    ran = obelisk("build", "app", "--only", "activity")
    assert ran.status == 6
    assert ran.err.startswith("error: activity cannot be built:\n")
    for part in parts:
        assert part in ran.err, ran.err
    assert "anyhow" not in ran.err
    assert len(ran.err.splitlines()) < 12
    assert not list((folder / "build").glob("*.partial"))


LATE = """
        import datetime
        from fractions import Fraction

        from words import shout

        if name == "boom":
            return shout({})
        if name == "type":
            return 3  # type: ignore[return-value]
        if name == "thread":
            __import__("threading").Thread(target=print).start()
        if name == "socket":
            __import__("asyncio").run(None)
        if name == "by name":
            zone = __import__("zoneinfo").ZoneInfo("Europe/Prague")
            summer = datetime.datetime(2030, 7, 1, 12, tzinfo=zone)
            mean = __import__("statistics").mean([1, 2, 6])
            return f"{summer.isoformat()} {'\u010d'.encode('cp1250')!r} {mean}"
        day = datetime.datetime.strptime("2030-01-02", "%Y-%m-%d")
        return f"{day:%Y} {Fraction(1, 3)} {'\u00e9'.encode('cp1252')!r}"
"""


def test_what_functions_import_is_there_and_exceptions_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also nothing else is there: what is installed here, or on the path of this process, is no part of it."""
    folder = project(tmp_path / "app", "python")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/strange.py").write_text("x = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    (folder / "activity/words.py").write_text(
        "try:\n    import strange\nexcept ImportError:\n    strange = None\n\n\n"
        "def shout(known):\n    assert strange is None\n    return known['amount']\n"
    )
    break_source(folder, "activity", '        log.info(f"greeting {name}")\n', LATE)
    settings = (folder / "obelisk.toml").read_text().partition("[component.workflow]")[0]
    text = settings.replace('[server]\nlisten = "127.0.0.1:8080"\n', "").replace("max_retries = 3", "max_retries = 0")
    text += f'\n[cache]\npath = "{kept.COMPILED}"\n'
    (folder / "obelisk.toml").write_text(text)
    ran = obelisk("build", str(folder))
    assert ran.status == 0, ran.err
    server = acceptance.Server(folder, text)
    try:
        server.start()
        path = "/v1/functions/app:my-greeter/greetings/greet"
        assert server.http.post(path, json={"name": "Ada"}).json() == "2030 1/3 b'\\xe9'"
        failed = server.http.post(path, json={"name": "boom"}).json()
        assert failed["detail"] == "KeyError: 'amount' (words.py:9, in shout)"
        named = server.http.post(path, json={"name": "by name"}).json()
        assert named == "2030-07-01T12:00:00+02:00 b'\\xe8' 3"
        threads = server.http.post(path, json={"name": "thread"}).json()
        assert threads["detail"].startswith("RuntimeError: a component has one thread. To do several things")
        sockets = server.http.post(path, json={"name": "socket"}).json()
        assert sockets["detail"].startswith("OSError: a component has no sockets (the event loop of asyncio needs one")
        wrong = server.http.post(path, json={"name": "type"}).json()
        assert wrong["detail"].startswith(
            "TypeError: 'int' object is not an instance of 'str': a value that is returned"
        )
    finally:
        server.close()


def test_c_that_uses_streams_needs_wasi(tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "c")
    for name in ("activity", "workflow"):
        break_source(folder, name, '#include "world.h"', '#include <stdio.h>\n#include "world.h"')
    break_source(folder, "activity", "log_info(name);", 'printf("greeting %zu bytes\\n", name.len);')
    break_source(folder, "workflow", "workflow_support_join_set_close(join_set);", 'puts("closed");')
    settings = folder / "obelisk.toml"
    settings.write_text(settings.read_text().replace("[build.workflow]", "[build.workflow]\nwasi = false"))
    ran = obelisk("build", str(folder))
    assert ran.status == 6
    assert "built" in ran.out
    assert "workflow is to have no WASI, and its code needs it: fd_" in ran.err
    assert "hint: leave `wasi = false` away" in ran.err
    imports = obelisk("wit", "print", str(folder / "build/activity.wasm")).out
    assert "import wasi:cli/stdout@0.2" in imports


def test_rust_without_wasi(tmp_path: Path) -> None:
    """It is built for the target without a system; what the standard library writes goes nowhere."""
    needs.require("rustc")
    folder = project(tmp_path / "app", "rust")
    break_source(folder, "workflow", "let join_set", 'println!("begins");\n        let join_set')
    settings = folder / "obelisk.toml"
    settings.write_text(settings.read_text().replace("[build.workflow]", "[build.workflow]\nwasi = false"))
    ran = obelisk("build", str(folder), "--only", "workflow")
    assert ran.status == 0, ran.err
    assert "wasi:" not in obelisk("wit", "print", str(folder / "build/workflow.wasm")).out


def test_without_rustc_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path / "app", "rust")
    break_source(folder, "activity", "Hello", "Good day")
    program = tmp_path / "bin/rustc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho /nowhere\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(toolchains, "SYSTEM_RUSTC", "/nowhere/rustc")
    monkeypatch.delenv("RUSTC", raising=False)
    ran = obelisk("build", str(folder))
    assert (ran.status, "no rustc here has the target wasm32-wasip1" in ran.err) == (6, True)
    assert "hint: on Debian: apt-get install rustc libstd-rust-dev-wasm32" in ran.err
    program.unlink()
    assert "there is no rustc here\n" in obelisk("build", str(folder)).err


def test_an_error_in_the_wit_is_shown_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = project(Path("app"), "python")
    wit = folder / "wit/my-greeter.wit"
    wit.write_text(wit.read_text().replace("list<string>, string>", "list<strng>, string>"))
    ran = obelisk("build", "app")
    assert (ran.status, "app/wit/my-greeter.wit:14:" in ran.err, "strng" in ran.err) == (6, True, True)
    wit.write_text(wit.read_text().replace("strng", "string"))
    toml = project(Path("other"), "c") / "obelisk.toml"
    toml.write_text(toml.read_text().replace("worlds/workflow", "worlds/workflo"))
    ran = obelisk("build", "other", "--only", "workflow")
    assert "its worlds: app:my-greeter-worlds/activity, app:my-greeter-worlds/workflow" in ran.err


def test_quickjs_cannot_import_http(tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "js")
    worlds = folder / "worlds/worlds.wit"
    worlds.write_text(
        worlds.read_text().replace("log@1.0.0;", "log@1.0.0; import wasi:http/outgoing-handler@0.2.12;", 1)
    )
    ran = obelisk("build", str(folder))
    assert ran.status == 6
    assert "makes no component that imports wasi:http" in ran.err
    assert 'hint: set engine = "starlingmonkey"' in ran.err


def test_without_npm_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path / "app", "js")
    break_source(folder, "activity", "Hello", "Good day")
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = obelisk("build", str(folder))
    assert (ran.status, "there is no npm here" in ran.err, "hint: install Node.js" in ran.err) == (6, True, True)


def test_tools_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'npm error network is unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    (tmp_path / "bin/node").write_text("#!/bin/sh\n")
    (tmp_path / "bin/node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    monkeypatch.setenv("OBELISK_TOOLS", str(tmp_path / "tools"))
    folder = project(tmp_path / "app", "js")
    break_source(folder, "activity", "Hello", "Good day")
    ran = obelisk("build", str(folder))
    assert (ran.status, "npm error network is unreachable" in ran.err) == (6, True)
    assert not list((tmp_path / "tools").glob("*/.complete"))


def test_what_is_no_project(tmp_path: Path) -> None:
    assert "obelisk new" in obelisk("build", str(tmp_path)).err
    (tmp_path / "obelisk.toml").write_text("")
    assert obelisk("build", str(tmp_path)).status == 3
    (tmp_path / "obelisk.toml").write_text('[build.a]\nlanguage = "cobol"\nsource = "x"\nworld = "a:b/c"\n')
    assert "build.a.language" in obelisk("build", str(tmp_path)).err
    (tmp_path / "obelisk.toml").write_text('[build.a]\nlanguage = "c"\nsource = "x"\nworld = "a:b/c"\nsauce = "y"\n')
    assert "build.a.sauce: unknown key; did you mean source?" in obelisk("build", str(tmp_path)).err
    (tmp_path / "obelisk.toml").write_text('[build.a]\nlanguage = "c"\nsource = "x"\nworld = "a:b/c"\n')
    assert "[component.a] has to name the file to build" in obelisk("build", str(tmp_path)).err
    assert "there is no [build.b]; there are a" in obelisk("build", str(tmp_path), "--only", "b").err


def test_a_project_begins_in_a_folder_of_its_own(tmp_path: Path) -> None:
    made = obelisk("new", "app", "--lang", "js", "--into", str(tmp_path / "app"), "--json")
    assert "activity/activity.js" in made.json["files"]
    again = obelisk("new", "app", "--lang", "js", "--into", str(tmp_path / "app"))
    assert (again.status, "is not empty" in again.err) == (3, True)
    assert obelisk("new", "My App", "--lang", "js").status == 3
    assert obelisk("new", "app", "--lang", "cobol").status == 2
    native = obelisk("new", "app", "--lang", "js", "--native")
    assert (native.status, "--native makes a worker in Python, not in js" in native.err) == (2, True)


def test_classes_of_workers_are_all_that_some_projects_build(tmp_path: Path) -> None:
    (tmp_path / "pay.wit").write_text("package shop:pay; interface payments { charge: func(cents: u32); }")
    component = '[component.pay]\nkind = "external"\nwit = "pay.wit"\n'
    settings = tmp_path / "obelisk.toml"
    settings.write_text(f'{component}[worker.pay]\ncommand = ["node", "pay.js"]\n')
    assert "nothing is to be built" in obelisk("build", str(tmp_path)).err
    settings.write_text(f'{component}[worker.pay]\nmodule = "pay"\n')
    made = obelisk("build", str(tmp_path))
    assert (made.status, made.out.startswith("generated ")) == (0, True)
    assert "class PaymentsWorker" in (tmp_path / "generated/shop_pay/worker.py").read_text()
    assert obelisk("build", str(tmp_path), "--json").json == {"items": []}
    (tmp_path / "pay.wit").write_text("package shop:pay; interface payments { charge: func(cents: u33); }")
    wrong = obelisk("build", str(tmp_path))
    assert (wrong.status, "component.pay.wit: " in wrong.err, "u33" in wrong.err) == (6, True, True)
