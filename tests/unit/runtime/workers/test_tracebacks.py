"""The exception that ended a guest in Python is the reason of its failure, its traceback the detail."""

from __future__ import annotations

import pytest

from obelisk.runtime.ports.guest import Trapped, TrapReason
from obelisk.runtime.workers.tracebacks import explained

END = Trapped(TrapReason.TRAPPED, "wasm trap: wasm `unreachable` instruction executed", "0: <unknown>!abort")
SIMPLE = """Traceback (most recent call last):
  File "/0/flow.py", line 12, in place
  File "/0/parts/stock.py", line 3, in reserve
  File "/python/json/__init__.py", line 352, in loads
    raise JSONDecodeError("x")
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"""
PANIC = """
thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1268:25:
Python function threw an unexpected exception
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""


def test_the_exception_is_the_reason_with_the_authors_last_line() -> None:
    found = explained(END, f"printed before\n{SIMPLE}{PANIC}")
    assert found.reason is TrapReason.TRAPPED
    assert found.message == (
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0) (parts/stock.py:3, in reserve)"
    )
    shown = SIMPLE.replace("/0/", "").rstrip()
    assert found.backtrace == f"{shown}\n\n{END.message}\n{END.backtrace}"


@pytest.mark.parametrize(
    "between",
    [
        "\nDuring handling of the above exception, another exception occurred:\n\n",
        "\nThe above exception was the direct cause of the following exception:\n\n",
    ],
)
def test_what_led_to_it_is_in_the_detail(between: str) -> None:
    first = 'Traceback (most recent call last):\n  File "/0/a.py", line 1, in f\nKeyError: 7\n'
    last = 'Traceback (most recent call last):\n  File "/0/a.py", line 3, in g\nValueError: bad\nin two lines\n'
    found = explained(END, f"{SIMPLE}caught and printed\n{first}{between}{last}{PANIC}")
    assert found.message == "ValueError: bad (a.py:3, in g)"
    assert found.backtrace.startswith(f"{first}{between}{last}".replace("/0/", ""))


def test_a_value_of_the_wrong_type() -> None:
    said = (
        "\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1494:89:\n"
        "called `Result::unwrap()` on an `Err` value: "
        """PyErr { type: <class 'TypeError'>, value: TypeError("'int' object is not an instance of 'str'"), """
        "traceback: None }\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
    )
    found = explained(END, said)
    assert found.message == (
        "TypeError: 'int' object is not an instance of 'str': a value that is returned, or passed to an imported "
        "function, is not what the WIT says"
    )
    assert "panicked at" in found.backtrace


def test_no_frame_of_the_author() -> None:
    said = 'Traceback (most recent call last):\n  File "/python/x.py", line 1, in f\nKeyboardInterrupt\n'
    assert explained(END, said).message == "KeyboardInterrupt (/python/x.py:1, in f)"
    assert explained(END, "Traceback (most recent call last):\nMemoryError\n").message == "MemoryError"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "nothing of the kind",
        "x Traceback (most recent call last):\nKeyError",
        "Traceback (most recent call last):\n",
    ],
)
def test_other_text_explains_nothing(said: str) -> None:
    assert explained(END, said) is END


@pytest.mark.parametrize(
    "reason", [TrapReason.TIMED_OUT, TrapReason.OUT_OF_FUEL, TrapReason.HOST, TrapReason.OUT_OF_MEMORY]
)
def test_an_end_from_outside_is_no_exception_of_the_guest(reason: TrapReason) -> None:
    end = Trapped(reason, "the attempt ran longer than 10 ms")
    assert explained(end, SIMPLE) is end
