"""How many examples laws are tried on: ``EXAMPLES=2000`` in the environment for a long run."""

from __future__ import annotations

import os

from hypothesis import settings

if os.environ.get("EXAMPLES"):
    settings.register_profile("asked", max_examples=int(os.environ["EXAMPLES"]), deadline=None)
    settings.load_profile("asked")
