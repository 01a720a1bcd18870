"""What came of preparing components: what a deployment is refused for, and why what is on record cannot be run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set

from obelisk.runtime.catalog.registry import Fault
from obelisk.runtime.errors import ComponentError, ImportRefused, ObeliskError
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import StoredComponent

logger = logging.getLogger(__name__)


def require_prepared(outcomes: Mapping[str, Prepared | Exception], names: Set[str]) -> None:
    """Raise what went wrong with the first of `names`. ComponentError, ImportRefused, or what else it was."""
    for name, outcome in outcomes.items():
        if name not in names or not isinstance(outcome, Exception):
            continue
        if isinstance(outcome, ComponentError | ImportRefused):
            message = f"component.{name}: {outcome.message}"
            raise type(outcome)(message, **{**outcome.fields, "component": name})
        raise outcome


def fault_of(stored: StoredComponent, error: Exception) -> Fault:
    """Why a component cannot be run; an unforeseen error is told in the log with its traceback."""
    if isinstance(error, ObeliskError):
        return Fault(stored=stored, reason=error.message)
    logger.error("component %s: loading it broke", stored.name, exc_info=error)
    told = f"{type(error).__name__}: {error}".removesuffix(": ")
    return Fault(stored=stored, reason=f"loading it broke: {told}")


def tell(before: Mapping[str, Fault], now: Mapping[str, Fault]) -> None:
    """Say in the log which components cannot be run any more, and which can again."""
    for name, fault in now.items():
        if name not in before or before[name].reason != fault.reason:
            text = (
                "component %s is deployed and cannot be run: %s. Its executions wait: "
                "deploy it again once what hinders it is gone, or deploy a build that can be run"
            )
            logger.error(text, name, fault.reason)
    for name in before.keys() - now.keys():
        logger.info("component %s can be run again, or is not deployed any more", name)
