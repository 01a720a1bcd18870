"""``python -m obelisk`` is the command line."""

from __future__ import annotations

from obelisk.cli.main import main

if __name__ == "__main__":
    main()
