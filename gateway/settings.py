"""Settings of the gateway, as values."""

from __future__ import annotations

from dataclasses import dataclass

from obelisk.runtime.wiring.config import ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How long a call waits by default and at most, how long one stream of events lasts, how many bytes the body of a
    request and a component may have, how long a body may take, and how many connections there may be, in all and of one
    client (0: half of all; a trusted proxy may have all). `trusted_proxies` are addresses and networks whose
    ``X-Forwarded-For`` is believed."""

    default_wait_s: float = 30.0
    max_wait_s: float = 300.0
    max_follow_s: float = 3600.0
    max_body_bytes: int = 1 << 20
    max_component_bytes: int = 1 << 28
    body_timeout_s: float = 30.0
    max_connections: int = 10_000
    max_connections_per_client: int = 0
    trusted_proxies: tuple[str, ...] = ()

    @classmethod
    def of(cls, server: ServerConfig, *, open_files: int = 1 << 20) -> GatewaySettings:
        """From the ``[server]`` section of the configuration file. Connections are half of the `open_files` that the
        process may have at most: databases, guests and the server itself need others."""
        return cls(
            default_wait_s=server.default_wait_s,
            max_wait_s=server.max_wait_s,
            max_follow_s=server.max_follow_s,
            max_body_bytes=server.max_body_bytes,
            max_component_bytes=server.max_component_bytes,
            body_timeout_s=server.body_timeout_s,
            max_connections=min(server.max_connections, max(1, open_files // 2)),
            max_connections_per_client=server.max_connections_per_client,
            trusted_proxies=server.trusted_proxies,
        )
