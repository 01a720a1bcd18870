"""The pytest plugin as users have it: suites of examples and of the page on testing, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/testing.md").read_text()


def run(folder: Path, *more: str, seed: str = "random") -> subprocess.CompletedProcess[str]:
    """`seed`: that of the order of sets."""
    options = [
        "-q",
        "-p",
        "obelisk.testing.plugin",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
    ]
    command = [sys.executable, "-m", "pytest", *options, *more, str(folder / "tests")]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


def written(folder: Path) -> str:
    """The project of the page, in a folder, and the tests that it shows later."""
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return "\n".join(re.findall(r"\n```python\n(async def .*?)```", PAGE, re.DOTALL))


def test_the_page_on_testing_is_true(tmp_path: Path) -> None:
    more = written(tmp_path)
    with (tmp_path / "tests/test_orders.py").open("a") as file:
        file.write(f"\n\n{more}")
    ran = run(tmp_path)
    assert "4 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_workflow_that_is_not_deterministic_fails_its_test(tmp_path: Path) -> None:
    written(tmp_path)
    source = tmp_path / "src/orders.py"
    source.write_text(
        source.read_text()
        .replace("        number", "        ids.append(cents)\n        number")
        .replace("charge(cents)", "charge(len(ids))")
        .replace(
            "\n\nclass", "\nimport builtins\n\nids = builtins.__dict__.setdefault('ids_of_the_process', [])\n\n\nclass"
        )
    )
    ran = run(tmp_path, "-k", "half_way")
    assert "1 failed" in ran.stdout, ran.stdout + ran.stderr
    assert "asks for something else when its log is replayed" in ran.stdout
    assert re.search(
        r"asked at \S*src/orders\.py:\d+, in fulfil\s+(E\s+)?number = payments\.charge\(len\(ids\)\)", ran.stdout
    )


def test_the_order_of_a_set_is_found_by_a_saved_history(tmp_path: Path) -> None:
    written(tmp_path)
    source = tmp_path / "src/orders.py"
    each = "for word in {f'word {n}' for n in range(20)}:\n            payments.remind(word)"
    source.write_text(source.read_text().replace("number = payments.charge(cents)", f"number = ''\n        {each}"))
    tests = tmp_path / "tests/test_orders.py"
    tests.write_text(
        "from wit_world.imports import orders, payments\n\n\n"
        "def test_save(world):\n"
        "    world.replace(payments.remind, 'reminded')\n"
        "    world.run_sync(orders.fulfil, 1)\n"
        "    world.save_history('histories/one.json')\n\n\n"
        "def test_replay(world):\n"
        "    world.assert_replays(orders.fulfil, 'histories')\n"
    )
    saved = run(tmp_path, seed="1")
    assert "2 passed" in saved.stdout, saved.stdout + saved.stderr
    replayed = run(tmp_path, "-k", "replay", seed="2")
    assert "1 failed" in replayed.stdout, replayed.stdout + replayed.stderr
    assert "one.json does not replay any more" in replayed.stdout
    assert "payments.remind(word)" in replayed.stdout


@pytest.mark.parametrize("example", ["orders", "stargazers", "trip"])
def test_the_suite_of_an_example_passes(example: str) -> None:
    ran = run(ROOT / "examples" / example)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
