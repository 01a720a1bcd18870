"""Settings of the gateway, as values."""

from __future__ import annotations

from dataclasses import dataclass

from obelisk.runtime.config import ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How long a call waits by default and at most, how long one stream of events lasts, how many bytes the body of a
    request and a component may have, and how long a body may take."""

    default_wait_s: float = 30.0
    max_wait_s: float = 300.0
    max_follow_s: float = 3600.0
    max_body_bytes: int = 1 << 20
    max_component_bytes: int = 1 << 28
    body_timeout_s: float = 30.0

    @classmethod
    def of(cls, server: ServerConfig) -> GatewaySettings:
        """From the ``[server]`` section of the configuration file."""
        return cls(
            default_wait_s=server.default_wait_s,
            max_wait_s=server.max_wait_s,
            max_follow_s=server.max_follow_s,
            max_body_bytes=server.max_body_bytes,
            max_component_bytes=server.max_component_bytes,
            body_timeout_s=server.body_timeout_s,
        )
