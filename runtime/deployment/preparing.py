"""From a deployed component to one that can be started: its links answered by handlers, compiled by the host."""

from __future__ import annotations

from obelisk.runtime.catalog.linking import link
from obelisk.runtime.catalog.registry import Component, Registry, deployed
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.ports.guest import Host, Prepared
from obelisk.runtime.workers.imports import activity_imports_of, imports_of, resources_of


def prepare(
    host: Host, component: Component, registry: Registry, binary: bytes, *, is_deployed: bool = True
) -> Prepared:
    """Compile and link `component`, which may take seconds; `is_deployed` whether it is a part of `registry`.

    ComponentError, ImportRefused.
    """
    links = link(component, registry, deployed=is_deployed)
    workflow = component.kind is ComponentKind.WORKFLOW
    access = component.settings.access(f"component.{component.name}")
    if workflow and access.first_key is not None:
        raise ComponentError(f"{access.first_key}: a workflow reaches nothing outside: give it to its activities")
    return host.prepare(
        binary,
        workflow=workflow,
        declared=component.description.imports,
        exports=tuple(f.export for f in deployed(component) if not f.unsupported),
        imports=imports_of(links) if workflow else activity_imports_of(links),
        resources=resources_of(component),
        access=access,
        limits=component.settings.limits,
    )
