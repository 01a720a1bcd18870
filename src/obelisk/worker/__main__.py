"""``python -m obelisk.worker MODULE[:ATTRIBUTE]``: what ``obelisk worker run`` does where there is no engine."""

from __future__ import annotations

import argparse
import logging
import sys

from obelisk.worker.errors import WorkerError
from obelisk.worker.finding import NotServed, found


def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m obelisk.worker", description="Serve external functions in Python.")
    parser.add_argument(
        "target", metavar="MODULE[:ATTRIBUTE]", help="a Worker, an implementation, its class, or a list"
    )
    parser.add_argument("--url", help="the server; default: OBELISK_URL, or http://127.0.0.1:8080")
    parser.add_argument("--name", help="what the server calls the worker; default: the name of the machine")
    parser.add_argument("--concurrency", type=int, help="attempts at once; default: 100")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    options = vars(parser.parse_args())
    target, level = options.pop("target"), options.pop("log_level")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        found(target, {name: value for name, value in options.items() if value is not None}).run()
    except NotServed as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return 2 if error.usage else 3
    except (WorkerError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
