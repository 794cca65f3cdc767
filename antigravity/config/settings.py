"""All settings with their types and defaults.  Times are in seconds, sizes in bytes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from antigravity.config.dashboard_settings import DashboardSettings
from antigravity.config.ledger_settings import LedgerSettings, MetricsSettings
from antigravity.config.mcp_settings import McpSettings, ZaiMcpSettings
from antigravity.config.network import reaches_network
from antigravity.config.price_settings import PriceSettings
from antigravity.config.quota_settings import (
    QuotaProtectionSettings,
    QuotaSettings,
    ScheduledWarmupSettings,
)
from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from antigravity.config.trace_settings import TraceSettings
from antigravity.config.value_types import (
    Bytes,
    Fraction,
    HeaderText,
    KeyText,
    LockSeconds,
    Port,
    Seconds,
)

AuthMode = Literal["off", "strict", "all_except_health", "auto"]
HttpClientName = Literal["httptools", "twisted"]
DispatchMode = Literal["off", "exclusive", "pooled", "fallback"]
OpenAIApi = Literal["chat", "responses", "completions", "images", "audio"]


class ZaiModels(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.zai.models]``: the z.ai models for Claude model names."""

    opus: str = "glm-4.7"
    sonnet: str = "glm-4.7"
    haiku: str = "glm-4.5-air"


class ZaiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.zai]``: the z.ai upstream in short form."""

    enabled: bool = False
    base_url: str = "https://api.z.ai/api/anthropic"
    api_key: Secret = Secret()
    dispatch_mode: DispatchMode = "off"
    model_mapping: dict[str, str] = {}
    models: ZaiModels = ZaiModels()
    mcp: ZaiMcpSettings = ZaiMcpSettings()


class SchedulingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.scheduling]``: selection among accounts.

    ``mode`` names a selection policy, built in or of a plugin.
    """

    mode: str = "Balance"
    max_wait_seconds: Seconds = 60.0
    max_concurrency: Annotated[int, Meta(ge=0)] = 0
    queue_limit: Annotated[int, Meta(ge=0)] = 1000
    retry_pause: Seconds = 1.0
    max_lock_seconds: LockSeconds = 31 * 86400.0
    probe_interval: Seconds = 1800.0


WholeResponses = Literal["auto", "always", "never"]


class ProxySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy]``: the listener, and the admission of clients.

    ``whole_responses`` says when upstreams are asked for a whole response on behalf of clients that
    do not stream: ``auto`` if a short one is expected.
    """

    port: Port = 8045
    listen: list[str] = []
    allow_lan_access: bool = False
    auth_mode: AuthMode = "auto"
    api_key: Secret = Secret()
    request_timeout: Seconds = 600.0
    http_client: HttpClientName = "httptools"
    custom_mapping: dict[str, str] = {}
    allowed_origins: list[str] = []
    allowed_hosts: list[str] = []
    public_url: str = ""
    max_body_bytes: Bytes = 64 * 1024 * 1024
    body_timeout: Seconds = 60.0
    idle_timeout: Seconds = 120.0
    keepalive_interval: Seconds = 15.0
    shutdown_grace: Seconds = 10.0
    debug_headers: bool = False
    overhead_header: bool = True
    admin_key: Secret = Secret()
    expose_account: Literal["never", "loopback", "always"] = "loopback"
    parallel_choices: Annotated[int, Meta(ge=1, le=128)] = 4
    whole_responses: WholeResponses = "auto"
    scheduling: SchedulingSettings = SchedulingSettings()
    zai: ZaiSettings = ZaiSettings()


class TimeoutSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME.timeouts]``: 0 disables a limit.

    ``total`` then defaults to ``proxy.request_timeout``.
    """

    connect: Seconds = 20.0
    first_byte: Seconds = 300.0
    idle: Seconds = 300.0
    total: Seconds = 0.0


class OAuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME.oauth]``: the operator's own OAuth client.

    ``auth_url``, ``userinfo_url`` and ``scopes`` are used for logging in only.
    """

    client_id: KeyText = ""
    client_secret: Secret = Secret()
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    userinfo_url: str = "https://www.googleapis.com/oauth2/v2/userinfo"
    scopes: list[str] = field(
        default_factory=lambda: [
            "https://www.googleapis.com/auth/cloud-platform",
            "https://www.googleapis.com/auth/userinfo.email",
        ]
    )


class UpstreamSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME]``: one provider.

    ``kind`` names the kind of upstream (``gemini_api``, ``codeassist``, ``anthropic``,
    ``openai``, or a plugin's).  An empty ``base_url`` stands for the kind's public address;
    ``base_urls`` lists several to fall back on.  ``models`` are patterns (``*`` is a wildcard) of
    the models that it serves; empty: those that it lists.  The lowest ``priority`` serves first;
    equal ones except 0 share the requests.  ``auth`` is how an Anthropic-compatible server expects
    its key.  ``apis`` are the OpenAI APIs that the server has; ``responses_websocket`` uses its
    Responses API over WebSocket for clients that do so.  ``quirks`` say what it accepts and
    refuses, in addition to what is known of its address; ``options`` are the kind's own.
    """

    kind: str
    enabled: bool = True
    base_url: str = ""
    base_urls: list[str] = []
    api_key: Secret = Secret()
    api_keys: list[Secret] = []
    refresh_token: Secret = Secret()
    project: str = ""
    models: list[str] = []
    priority: int = 0
    auth: Literal["auto", "x-api-key", "bearer"] = "auto"
    apis: list[OpenAIApi] = field(default_factory=lambda: ["chat", "responses", "images", "audio"])
    responses_websocket: bool = False
    headers: dict[str, HeaderText] = {}
    quirks: list[str] = []
    http_proxy: str = ""
    timeouts: TimeoutSettings = TimeoutSettings()
    oauth: OAuthSettings = OAuthSettings()
    options: dict[str, Any] = {}


class RoutingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[routing]``: routing of models.

    ``fallback_model`` serves unknown models (empty: 404).  ``fallback_models`` lists, by model or
    pattern, the models to try while that one is unavailable.  ``builtin_aliases`` enables the
    built-in alias table.  ``model_list_ttl`` is how long upstream model lists are cached.
    """

    fallback_model: str = ""
    fallback_models: dict[str, list[str]] = {}
    builtin_aliases: bool = False
    model_list_ttl: Seconds = 300.0


class ModelsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[models]``: TOML files that extend or override the built-in capabilities."""

    files: list[str] = []


class MediaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[media]``: fetching files that clients pass as URLs, if the upstream cannot."""

    fetch: bool = True
    max_bytes: Bytes = 20 * 1024 * 1024
    timeout: Seconds = 20.0
    allowed_hosts: list[str] = []


class ImagesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[images]``: the image endpoints.

    ``default_model`` serves requests without a model.  ``parallel`` requests run at a time for one
    request for several images.  Images requested as ``url`` are kept in memory for ``url_ttl``, up
    to ``url_max_bytes``.
    """

    default_model: str = "gemini-3.1-flash-image"
    parallel: Annotated[int, Meta(ge=1, le=10)] = 4
    url_ttl: Seconds = 3600.0
    url_max_bytes: Bytes = 256 * 1024 * 1024


class AudioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[audio]``: the audio endpoints.

    The models serve requests without a model.  ``transcription_prompt`` instructs models that do
    not transcribe by themselves; recordings for these are sent inside the request and can have
    ``max_inline_bytes``.
    """

    transcription_model: str = "gemini-3-flash"
    transcription_prompt: str = "Generate a transcript of the speech."
    max_inline_bytes: Bytes = 15 * 1024 * 1024
    speech_model: str = "gemini-3.8-flash-lite-tts"


class ResponsesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[responses]``: bounds of the stored conversations of the Responses API."""

    max_entries: Annotated[int, Meta(ge=0)] = 1000
    max_bytes: Bytes = 64 * 1024 * 1024
    ttl: Seconds = 24 * 3600.0


class WebSocketSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[websocket]``: the Responses API over WebSocket.

    A connection is closed after ``max_age``, once no response is running.  ``max_history_bytes``
    bounds the last responses of all connections together.
    """

    enabled: bool = True
    max_age: Seconds = 3600.0
    ping_interval: Seconds = 30.0
    max_history_bytes: Bytes = 64 * 1024 * 1024


class SignaturesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[signatures]``: thinking and signatures kept for clients that drop them.

    ``persist`` keeps them on disk, so that conversations survive a restart.
    """

    persist: bool = True
    ttl: Seconds = 2 * 3600.0
    max_entries: Annotated[int, Meta(ge=0)] = 20_000
    max_bytes: Bytes = 64 * 1024 * 1024


class InterceptionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[interception]``: requests that clients send on their own, without their users.

    ``warmup`` answers warm-ups without a model, ``background_tasks`` routes background tasks to the
    model ``internal-background-task``.  ``clients`` are patterns of User-Agents.
    """

    warmup: bool = True
    background_tasks: bool = True
    clients: list[str] = field(default_factory=lambda: ["*"])


class TunnelSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tunnel]``: the gateway on the Internet, through Cloudflare's cloudflared.

    Mode ``quick`` gets a new address at each start; mode ``token`` runs the tunnel of ``token``.
    ``hostname`` is its public name, if cloudflared does not report it.  ``origin_port`` is the
    loopback port that cloudflared connects to; 0 selects a free port.
    """

    enabled: bool = False
    mode: Literal["quick", "token"] = "quick"
    token: Secret = Secret()
    hostname: str = ""
    origin_port: Port = 0
    protocol: Literal["auto", "quic", "http2"] = "auto"
    executable: str = ""
    start_timeout: Seconds = 60.0
    insecure: bool = False


class ExperimentalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[experimental]``: conversations that do not fit the context window of their model.

    The thresholds are fractions of the window; 0 compresses only requests that would not fit.
    ``context_clients_that_compact`` are patterns of User-Agents of clients that compact a
    conversation themselves if they get the error that it is too long.
    """

    context_compression: bool = True
    context_compression_threshold_l1: Fraction = 0.0
    context_compression_threshold_l2: Fraction = 0.0
    context_compression_threshold_l3: Fraction = 0.0
    context_compression_keep_rounds: Annotated[int, Meta(ge=0)] = 5
    context_summary_model: str = "internal-background-task"
    context_summary_timeout: Seconds = 60.0
    context_clients_that_compact: list[str] = field(
        default_factory=lambda: ["claude-cli/*", "claude-code/*", "opencode/*"]
    )
    context_persist: bool = True
    shorten_tool_results: Literal["when_needed", "always"] = "when_needed"


class LimitsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: limits of one request.

    ``max_values`` counts all JSON values, ``max_schema_values`` those in tools and output formats,
    ``max_other_values`` those outside of messages and these, such as metadata.
    ``max_messages`` also limits other lists of inputs, such as those of embeddings.
    """

    max_values: Annotated[int, Meta(ge=1000)] = 200_000
    max_messages: Annotated[int, Meta(ge=1)] = 20_000
    max_parts: Annotated[int, Meta(ge=1)] = 100_000
    max_tools: Annotated[int, Meta(ge=1)] = 2_000
    max_schema_values: Annotated[int, Meta(ge=1)] = 100_000
    max_other_values: Annotated[int, Meta(ge=100)] = 5_000


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: the log.

    ``file`` keeps it in the home, too, in files of at most ``max_bytes``, of which ``keep`` old
    ones stay.
    """

    level: Literal["debug", "info", "warn", "error"] = "info"
    access: bool = True
    file: bool = True
    max_bytes: Annotated[int, Meta(ge=65536, extra={"unit": "bytes"})] = 10 * 1024 * 1024
    keep: Annotated[int, Meta(ge=0, le=100)] = 3


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration.  ``plugins`` holds ``blocked`` and one table for each plugin."""

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
    state: StateSettings = StateSettings()
    plugins: dict[str, Any] = {}


def effective_auth_mode(proxy: ProxySettings) -> Literal["off", "strict", "all_except_health"]:
    """Return the mode in force; ``auto`` requires a key if other machines can connect."""
    if proxy.auth_mode == "auto":
        networked = proxy.allow_lan_access or any(map(reaches_network, proxy.listen))
        return "all_except_health" if networked else "off"
    return proxy.auth_mode
