"""All settings with their types and defaults.  Times are in seconds, sizes in bytes.

The docstring under a setting is its description, from which ``docs/list_settings.py`` writes the
commented configuration file and the reference page.  The first paragraph stands in both, the others
on the page only, in reStructuredText.  One that begins with ``Example:`` has a value as in TOML.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from antigravity.config.conversation_settings import (
    ExperimentalSettings,
    InterceptionSettings,
    LimitsSettings,
    ResponsesSettings,
    SignaturesSettings,
    WebSocketSettings,
)
from antigravity.config.dashboard_settings import DashboardSettings
from antigravity.config.key_settings import KeySettings
from antigravity.config.ledger_settings import LedgerSettings, MetricsSettings
from antigravity.config.mcp_settings import McpSettings
from antigravity.config.media_settings import AudioSettings, ImagesSettings, MediaSettings
from antigravity.config.price_settings import PriceSettings
from antigravity.config.proxy_settings import (
    AuthMode,
    DispatchMode,
    HttpClientName,
    ProxySettings,
    SchedulingSettings,
    WholeResponses,
    ZaiModels,
    ZaiSettings,
    effective_auth_mode,
)
from antigravity.config.quota_settings import (
    QuotaProtectionSettings,
    QuotaSettings,
    ScheduledWarmupSettings,
)
from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from antigravity.config.trace_settings import TraceSettings
from antigravity.config.upstream_settings import (
    OAuthSettings,
    OpenAIApi,
    TimeoutSettings,
    UpstreamSettings,
)
from antigravity.config.value_types import Port, Seconds

#: Tables are defined in modules by subject; whoever needs some of them imports them from here.
__all__ = [
    "AudioSettings",
    "AuthMode",
    "DispatchMode",
    "ExperimentalSettings",
    "HttpClientName",
    "ImagesSettings",
    "InterceptionSettings",
    "LimitsSettings",
    "LogSettings",
    "MediaSettings",
    "ModelsSettings",
    "OAuthSettings",
    "OpenAIApi",
    "ProxySettings",
    "ResponsesSettings",
    "RoutingSettings",
    "SchedulingSettings",
    "Settings",
    "SignaturesSettings",
    "TimeoutSettings",
    "TunnelSettings",
    "UpstreamSettings",
    "WebSocketSettings",
    "WholeResponses",
    "ZaiModels",
    "ZaiSettings",
    "effective_auth_mode",
]


class RoutingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[routing]``: routing of models.

    See `clients <clients.rst>`_.
    """

    fallback_model: str = ""
    """The model for unknown names.  Empty: the gateway responds with 404.

    Example: ``"gemini-2.5-flash"``
    """
    fallback_models: dict[str, list[str]] = {}
    """Models to try in order while a model has no capacity, or all its accounts are at their
    limits; ``*`` is a wildcard.

    See `clients <clients.rst>`_.

    Example: ``{ "claude-opus-*" = ["claude-sonnet-5", "gemini-3-pro-preview"] }``
    """
    builtin_aliases: bool = False
    """Use the built-in aliases of model names."""
    model_list_ttl: Seconds = 300.0
    """How long an upstream's model list is cached."""


class ModelsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[models]``: capabilities of models.

    `Protocols <protocols.rst>`_, `images <images.rst>`_ and `audio <audio.rst>`_ use them.
    """

    files: list[str] = []
    """TOML files that extend or override the built-in capabilities.

    They have the form of ``antigravity/routing/models.toml``: ``[[model]]`` tables with ``match``
    patterns, optionally limited to generations by ``from`` and ``before`` (``from = "4.6"``);
    ``generation`` gives one to names without it (``fast-latest``).  A pattern is compared with the
    model's name as it is, and with the name without the vendors, suffixes and spellings that
    brokers add.

    Example: ``["my-models.toml"]``
    """


class TunnelSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tunnel]``: the gateway on the Internet, through Cloudflare's cloudflared.

    ``antigravity tunnel`` installs, starts and stops it.

    See `tunnel <tunnel.rst>`_.
    """

    enabled: bool = False
    """Start the tunnel with the gateway."""
    mode: Literal["quick", "token"] = "quick"
    """``"quick"`` gets a new address below ``trycloudflare.com`` at each start, without a
    Cloudflare account.  ``"token"`` runs the tunnel of ``tunnel.token``.
    """
    token: Secret = Secret()
    """The token of a tunnel of your own.

    Example: ``"eyJhIjoieW91ci10b2tlbiJ9"``
    """
    hostname: str = ""
    """The public host name of that tunnel, if cloudflared does not report it.

    Example: ``"llm.example.org"``
    """
    origin_port: Port = 0
    """The port of 127.0.0.1 that cloudflared connects to; 0 selects a free port.  A tunnel with a
    token needs a fixed port: set its service at Cloudflare to http://127.0.0.1:PORT.

    Example: ``8047``
    """
    protocol: Literal["auto", "quic", "http2"] = "auto"
    """The protocol between cloudflared and Cloudflare: ``"auto"``, ``"quic"``, or ``"http2"`` if
    UDP is blocked.

    Example: ``"http2"``
    """
    executable: str = ""
    """The path of ``cloudflared``, if it is neither on the ``PATH`` nor in ``bin/`` of the home
    directory.

    Example: ``"/usr/local/bin/cloudflared"``
    """
    start_timeout: Seconds = 60.0
    """How long cloudflared may take to connect."""
    insecure: bool = False
    """Allow the tunnel without authentication: everyone on the Internet can use the gateway."""


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: the log.

    See `operations <operations.rst>`_.
    """

    level: Literal["debug", "info", "warn", "error"] = "info"
    """The log level: ``"debug"``, ``"info"``, ``"warn"``, ``"error"``.

    Example: ``"debug"``
    """
    access: bool = True
    """Log a line for each HTTP request.  Without it, only requests for a model are logged, without
    their HTTP part.
    """
    file: bool = True
    """Keep the log in ``logs/antigravity.log`` of the home directory, too, with mode 0600;
    ``antigravity logs`` shows it.
    """
    max_bytes: Annotated[int, Meta(ge=65536, extra={"unit": "bytes"})] = 10 * 1024 * 1024
    """The size at which a new file begins."""
    keep: Annotated[int, Meta(ge=0, le=100)] = 3
    """The number of older files that stay, as ``antigravity.log.1`` and so on.

    Example: ``10``
    """


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    proxy: ProxySettings = ProxySettings()
    upstreams: dict[str, UpstreamSettings] = {}
    routing: RoutingSettings = RoutingSettings()
    models: ModelsSettings = ModelsSettings()
    media: MediaSettings = MediaSettings()
    images: ImagesSettings = ImagesSettings()
    audio: AudioSettings = AudioSettings()
    quota: QuotaSettings = QuotaSettings()
    quota_protection: QuotaProtectionSettings = QuotaProtectionSettings()
    scheduled_warmup: ScheduledWarmupSettings = ScheduledWarmupSettings()
    responses: ResponsesSettings = ResponsesSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    signatures: SignaturesSettings = SignaturesSettings()
    interception: InterceptionSettings = InterceptionSettings()
    mcp: McpSettings = McpSettings()
    tunnel: TunnelSettings = TunnelSettings()
    experimental: ExperimentalSettings = ExperimentalSettings()
    limits: LimitsSettings = LimitsSettings()
    log: LogSettings = LogSettings()
    ledger: LedgerSettings = LedgerSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TraceSettings = TraceSettings()
    prices: PriceSettings = PriceSettings()
    dashboard: DashboardSettings = DashboardSettings()
    keys: KeySettings = KeySettings()
    state: StateSettings = StateSettings()
    plugins: dict[str, Any] = {}
    """``blocked`` lists plugins that are not loaded.  A table ``[plugins.NAME]`` holds the settings
    of the plugin with that name.

    See `plugins <plugins.rst>`_.

    Example: ``{ blocked = ["other-plugin"] }``
    """
