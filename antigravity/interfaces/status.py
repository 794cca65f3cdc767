"""The state of a gateway as its operator sees it.  Nothing here is secret; labels are masked.

Durations are in seconds, quotas from 0 to 1.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class ConfigurationState(Struct, frozen=True):
    """The file in force, and why a newer version of it is not used; empty if it is."""

    file: str | None
    problem: str


class QueueState(Struct, frozen=True):
    """How many requests wait for an account, and how many may."""

    waiting: int
    limit: int


class AccountStatus(Struct, frozen=True):
    """One account.

    ``running`` counts its requests, ``bindings`` the conversations that it serves.  ``last_used``
    and ``last_error_at`` are on the gateway's clock.
    """

    id: str
    upstream: str
    label: str
    running: int
    last_used: float | None
    bindings: int
    last_error: str = ""
    last_error_at: float | None = None


class LockStatus(Struct, frozen=True):
    """A lock of an account (``None``: all of the upstream) for a model (``None``: all models).

    ``free_in`` is ``None`` if it does not end by itself.  ``from_upstream`` says whether the
    upstream named that time.  ``help`` is the upstream's page where the owner can end it.
    """

    upstream: str
    account: str | None
    model: str | None
    reason: str
    free_in: float | None
    from_upstream: bool
    help: str | None


class ProtectedQuota(Struct, frozen=True):
    """A quota that is kept in reserve until it is full again."""

    upstream: str
    account: str
    models: str
    remaining: float
    threshold: float
    free_in: float | None


class PoolStatus(Struct, frozen=True, kw_only=True):
    """The accounts that can serve, and what keeps them from it.

    ``mode`` is the selection policy, ``fixed`` the account that serves all requests.
    """

    mode: str
    fixed: str | None
    running: int
    queue: QueueState
    accounts: list[AccountStatus]
    locks: list[LockStatus]
    protected: list[ProtectedQuota]
    bindings: int


class QuotaStatus(Struct, frozen=True):
    """What is left of an account's quota for a model; ``free_in`` is when it is full again."""

    account: str
    model: str
    remaining: float
    free_in: float | None


class LoginStatus(Struct, frozen=True):
    """A login at an MCP server; without one, only ``state`` says something."""

    state: Literal["none", "needed", "active"] = "none"
    issuer: str | None = None
    expires_in: float | None = None
    renews: bool = False
    missing_scopes: list[str] = field(default_factory=list)


class McpServerStatus(Struct, frozen=True):
    """A connection to another MCP server; ``revision`` is that of the protocol."""

    name: str
    state: str
    reason: str
    revision: str
    tools: int
    login: LoginStatus


class McpStatus(Struct, frozen=True):
    """The connections to other MCP servers."""

    servers: list[McpServerStatus]


class LedgerState(Struct, frozen=True):
    """The ledger: its file or server, its size, and numbers of rows.

    ``waiting`` rows are not written yet, ``spooled`` ones wait in a file for the server, and
    ``lost`` ones are in no database.  ``payloads`` says of which requests the bodies are kept;
    ``lost_payloads`` counts bodies for which there was no room.  ``lag`` is the age of the oldest
    row that waits.
    """

    enabled: bool
    problem: str = ""
    path: str | None = None
    bytes: int = 0
    waiting: int = 0
    lost: int = 0
    payloads: Literal["off", "errors", "all"] = "off"
    lost_payloads: int = 0
    lag: float = 0.0
    spooled: int = 0


class SharedStateStatus(Struct, frozen=True):
    """The state that gateways share; ``name`` is its address, empty if it is in memory.

    ``problem`` says why it is out of reach.  ``gateways`` is how many share it, as last seen.
    """

    name: str = ""
    problem: str = ""
    gateways: int = 1
    failed_calls: int = 0
    losses: int = 0


class KeyStoreStatus(Struct, frozen=True):
    """Where keys of clients are stored; ``problem`` says why they cannot be read or changed.

    ``name`` is the address without user and password, empty for a demo.
    """

    name: str = ""
    problem: str = ""


class UpstreamStatus(Struct, frozen=True):
    """An upstream: its kind, the accounts in use, and why it cannot serve; empty if it can."""

    name: str
    kind: str
    accounts: int
    problem: str = ""


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """A process that serves requests; ``seconds`` is how long it has been in its state.

    ``waiting`` is one that ended unasked, and is started again soon; ``problem`` says why it ended,
    ``restarts`` how often.  ``running`` counts its requests.
    """

    number: int
    pid: int
    state: Literal["starting", "serving", "draining", "waiting", "ended"]
    seconds: float
    running: int
    restarts: int = 0
    problem: str = ""


class GatewayStatus(Struct, frozen=True, kw_only=True):
    """A running gateway.  ``demo`` says whether a simulator serves every model.

    ``workers`` is empty if the gateway is one process.
    """

    version: str
    demo: bool
    configuration: ConfigurationState
    running_requests: int
    pool: PoolStatus
    quotas: list[QuotaStatus]
    mcp: McpStatus
    ledger: LedgerState
    upstreams: list[UpstreamStatus] = []
    wrong_keys: int = 0
    state: SharedStateStatus = SharedStateStatus()
    key_store: KeyStoreStatus = KeyStoreStatus()
    workers: list[WorkerStatus] = []


class TunnelStatus(Struct, frozen=True, kw_only=True):
    """The tunnel; ``reason`` is why it is not connected."""

    state: Literal["off", "refused", "starting", "up", "waiting", "failed"]
    enabled: bool
    mode: str
    addresses: list[str]
    connections: int
    authentication: str
    reason: str
    restarts: int
    retry_in: float | None
    start_timeout: float
