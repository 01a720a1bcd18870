"""Retries: how many, how long between them, and jitter that only shortens."""

from __future__ import annotations

import math
from itertools import count, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime.catalog.retry import JITTER_BITS, RetryPolicy, next_attempt
from obelisk.runtime.log.instants import MAX_INSTANT_US

NOW = 1_700_000_000_000_000


def waits(policy: RetryPolicy) -> list[int]:
    """All waits without jitter until the policy gives up."""
    instants = (next_attempt(policy, retry, NOW, 0) for retry in count())
    return [at - NOW for at in takewhile(lambda at: at is not None, instants) if at is not None]


def test_the_defaults() -> None:
    assert waits(RetryPolicy()) == [100_000, 200_000, 400_000, 800_000, 1_600_000]


def test_the_cap() -> None:
    policy = RetryPolicy(max_retries=6, initial_backoff_us=10_000_000, factor=3.0)
    assert waits(policy) == [10_000_000, 30_000_000, 60_000_000, 60_000_000, 60_000_000, 60_000_000]


def test_no_retries() -> None:
    assert next_attempt(RetryPolicy(max_retries=0), 0, NOW, 0) is None


def test_without_backoff_the_next_attempt_is_now() -> None:
    policy = RetryPolicy(max_retries=10_000, initial_backoff_us=0)
    assert {next_attempt(policy, retry, NOW, 1 << 31) for retry in (0, 1, 9_999)} == {NOW}


def test_a_huge_number_of_retries_stays_at_the_cap() -> None:
    policy = RetryPolicy(max_retries=1_000_000, factor=10.0)
    for retry in (302, 303, 307, 308, 309, 999_999):
        assert next_attempt(policy, retry, NOW, 0) == NOW + 60_000_000


def test_jitter_takes_its_share_off() -> None:
    policy = RetryPolicy(jitter=0.5)
    assert next_attempt(policy, 0, NOW, 1 << (JITTER_BITS - 1)) == NOW + 75_000
    assert next_attempt(policy, 0, NOW, (1 << JITTER_BITS) - 1) == NOW + 50_001
    assert next_attempt(policy, 0, NOW, 1 << JITTER_BITS) == NOW + 100_000


@given(st.integers(0, 60), st.integers(0, 2**80), st.floats(0.0, 1.0), st.floats(1.0, 100.0))
def test_a_wait_stays_within_its_bounds(retry: int, bits: int, jitter: float, factor: float) -> None:
    policy = RetryPolicy(max_retries=100, factor=factor, jitter=jitter)
    at, full = next_attempt(policy, retry, NOW, bits), next_attempt(policy, retry, NOW, 0)
    assert at is not None
    assert full is not None
    assert NOW <= at <= full <= NOW + policy.max_backoff_us
    assert at - NOW >= (full - NOW) * (1.0 - jitter) - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"initial_backoff_us": -1},
        {"max_backoff_us": -1},
        {"factor": 0.99},
        {"factor": math.nan},
        {"factor": math.inf},
        {"jitter": -0.1},
        {"jitter": 1.1},
    ],
    ids=str,
)
def test_a_wrong_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # the integers among the wrong values are integers


@given(
    st.integers(min_value=0, max_value=1 << 80),
    st.integers(min_value=0, max_value=1 << 80),
    st.floats(min_value=1.0, max_value=1e300),
    st.integers(min_value=0, max_value=999_999),
    st.integers(min_value=0, max_value=1 << 40),
)
def test_no_policy_asks_for_an_instant_that_cannot_be_recorded(
    initial_us: int, most_us: int, factor: float, retry: int, bits: int
) -> None:
    policy = RetryPolicy(max_retries=1_000_000, initial_backoff_us=initial_us, max_backoff_us=most_us, factor=factor)
    at_us = next_attempt(policy, retry, NOW, bits)
    assert at_us is not None
    assert NOW <= at_us <= MAX_INSTANT_US
