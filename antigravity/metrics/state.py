"""The state of the gateway at the moment when a monitoring system asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct


class AccountState(Struct, frozen=True):
    """One account; ``quota`` has what is left of each of its quotas, from 0 to 1."""

    id: str
    upstream: str
    in_flight: int
    quota: Mapping[str, float] = {}


class GatewayState(Struct, frozen=True):
    """What is counted when somebody asks.

    ``locks`` counts locks by reason, ``mcp_servers`` servers by state.  ``ledger`` has the names
    and values of its own numbers, ``None`` if there is no ledger.
    """

    version: str
    demo: bool
    running: int
    waiting: int
    wrong_keys: int
    accounts: Sequence[AccountState]
    locks: Mapping[str, int]
    mcp_servers: Mapping[str, int]
    tunnel: bool
    ledger: Mapping[str, int] | None = None
