"""The state of the gateway at the moment when a monitoring system asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct


class AccountState(Struct, frozen=True):
    """One account; ``quota`` has what is left of each of its quotas, from 0 to 1.

    ``is_locked`` says that it is locked for all models.
    """

    id: str
    upstream: str
    in_flight: int
    quota: Mapping[str, float] = {}
    is_locked: bool = False


class LedgerNumbers(Struct, frozen=True):
    """The ledger: rows that wait, rows that were lost, its size in bytes, its lag in seconds.

    ``is_writable`` says that nothing keeps it from writing, ``spooled`` rows wait for its server.
    """

    waiting: int
    lost: int
    size: int
    lag: float
    is_writable: bool = True
    spooled: int = 0


class SharedStateNumbers(Struct, frozen=True):
    """The state that gateways share: whether it can be reached, how many share it, failures."""

    is_connected: bool
    gateways: int
    failed_calls: int
    losses: int


class GatewayNumbers(Struct, frozen=True, kw_only=True):
    """What is counted when somebody asks.

    ``locks`` counts locks by reason, ``mcp_servers`` servers by state, ``mcp_calls`` finished calls
    by method and outcome, ``signatures`` and ``sessions`` uses of what is stored by result.
    ``tunnel`` is its state.  ``ledger`` and ``shared`` are ``None`` if there is none.
    ``is_current`` says that the newest configuration is in force, ``has_current_keys`` that the
    store of the keys can be read.
    """

    version: str
    demo: bool
    is_current: bool = True
    running: int
    waiting: int
    wrong_keys: int
    accounts: Sequence[AccountState] = ()
    locks: Mapping[str, int] = {}
    mcp_servers: Mapping[str, int] = {}
    mcp_calls: Mapping[tuple[str, str], int] = {}
    signatures: Mapping[str, int] = {}
    sessions: Mapping[str, int] = {}
    tunnel: str = "off"
    tunnel_connections: int = 0
    ledger: LedgerNumbers | None = None
    shared: SharedStateNumbers | None = None
    has_current_keys: bool = True
