"""The components of the simulated system: of which kind they are, and the settings that they usually have."""

from __future__ import annotations

from collections.abc import Mapping

from sim_system import LABEL, NARROW_S, NARROWEST, OUTER_MS, RETRIES, STRAIT_MS

KINDS = {
    "cold": "workflow",
    "flow": "workflow",
    "loose": "activity",
    "narrow": "activity",
    "outer": "external",
    "side": "workflow",
    "strait": "external",
    "stubs": "stub",
    "work": "activity",
}
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "cold": {"hot": False, "max_concurrent": NARROWEST},
    "flow": {},
    "loose": {"max_retries": RETRIES, "max_backoff_ms": 2_000, "retry_on_err": False},
    "narrow": {
        "labels": [LABEL],
        "max_concurrent": NARROWEST,
        "max_pending": 4,
        "when_full": "evict-oldest",
        "max_retries": RETRIES,
        "max_backoff_ms": 2_000,
        "total_timeout_ms": NARROW_S * 1_000,
    },
    "outer": {"max_retries": RETRIES, "max_backoff_ms": 2_000, "attempt_timeout_ms": OUTER_MS},
    "side": {},
    "strait": {
        "labels": [LABEL],
        "max_concurrent": NARROWEST,
        "max_retries": RETRIES,
        "max_backoff_ms": 2_000,
        "attempt_timeout_ms": STRAIT_MS,
    },
    "stubs": {},
    "work": {"max_retries": RETRIES, "max_backoff_ms": 2_000, "attempt_timeout_ms": 2_000},
}
"""The settings in the beginning and in the end."""
