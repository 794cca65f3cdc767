"""The settings of the listener, of admission and of the selection among accounts."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antigravity.config.mcp_settings import ZaiMcpSettings
from antigravity.config.network import reaches_network
from antigravity.config.secret import Secret
from antigravity.config.value_types import Bytes, LockSeconds, Port, Seconds

AuthMode = Literal["off", "strict", "all_except_health", "auto"]
HttpClientName = Literal["httptools", "twisted"]
ForwardedHeader = Literal["X-Forwarded-For", "Forwarded"]
DispatchMode = Literal["off", "exclusive", "pooled", "fallback"]
WholeResponses = Literal["auto", "always", "never"]


class ZaiModels(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.zai.models]``: the z.ai models for Claude models.

    They are used for models that ``proxy.zai.model_mapping`` does not name.
    """

    opus: str = "glm-4.7"
    """For Opus models.

    Example: ``"glm-4.6"``
    """
    sonnet: str = "glm-4.7"
    """For Sonnet models, and those that are neither Opus nor Haiku.

    Example: ``"glm-4.6"``
    """
    haiku: str = "glm-4.5-air"
    """For Haiku models.

    Example: ``"glm-4.5-flash"``
    """


class ZaiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.zai]``: z.ai in short form.

    If enabled, with a ``dispatch_mode``, it is an upstream named ``zai``.

    `Clients <clients.rst>`_ describes which requests it serves.
    """

    enabled: bool = False
    """Use z.ai as an upstream."""
    base_url: str = "https://api.z.ai/api/anthropic"
    """The Anthropic-compatible address of z.ai.

    Example: ``"https://open.bigmodel.cn/api/anthropic"``
    """
    api_key: Secret = Secret()
    """The key for z.ai.

    Example: ``"your-key"``
    """
    dispatch_mode: DispatchMode = "off"
    """When z.ai serves Claude models, and those in ``model_mapping``.  ``"off"``: never.
    ``"pooled"``: each of its keys is one more account for the model.  ``"fallback"``: only while no
    other account can serve.  ``"exclusive"``: z.ai serves all requests in Anthropic's protocol, and
    is preferred for all others.

    Example: ``"fallback"``
    """
    model_mapping: dict[str, str] = {}
    """z.ai models that replace others; ``*`` is a wildcard.

    Example: ``{ "claude-opus-*" = "glm-4.6" }``
    """
    models: ZaiModels = ZaiModels()
    mcp: ZaiMcpSettings = ZaiMcpSettings()


class SchedulingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.scheduling]``: how the gateway selects among accounts.

    See `accounts <accounts.rst>`_.
    """

    mode: str = "Balance"
    """The selection policy.  ``"CacheFirst"`` waits up to ``max_wait_seconds`` for the account that
    serves the conversation.  ``"Balance"`` uses another one while that account is locked or busy.
    ``"PerformanceFirst"`` uses the least busy account.  Plugins can add policies.

    See ``register_selection_policies`` in `plugins <plugins.rst>`_.

    Example: ``"CacheFirst"``
    """
    max_wait_seconds: Seconds = 60.0
    """How long a request may wait for accounts, over all its attempts."""
    max_concurrency: Annotated[int, Meta(ge=0)] = 0
    """How many requests one account serves at a time; 0 is no limit.  Gateways with ``state.url``
    count together.

    Example: ``4``
    """
    queue_limit: Annotated[int, Meta(ge=0)] = 1000
    """How many requests may wait for accounts at a time; 0 lets none wait.  Clients with different
    keys take turns, and so do the conversations of one key.  A full queue drops requests of the
    client that has most of them.
    """
    retry_pause: Seconds = 1.0
    """The pause before the first retry after a failure of an upstream.  The pauses of further
    retries are longer.
    """
    max_lock_seconds: LockSeconds = 31 * 86400.0
    """The longest lock of an account, even if the upstream names a later time.

    It is also the longest ``Retry-After`` that clients get.  Locks of an earlier run are shortened
    to it.

    Example: ``"7d"``
    """
    probe_interval: Seconds = 1800.0
    """The time between two probes: an account that is locked for longer than this gets one request
    per interval, since the limit may have ended early.  0 switches probes off.

    See `accounts <accounts.rst>`_.
    """


class ProxySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy]``: the listener, and the admission of clients.

    See `security <security.rst>`_ and `clients <clients.rst>`_.
    """

    port: Port = 8045
    """The port to listen on.  0 selects a free port.

    Example: ``8046``
    """
    listen: list[str] = []
    """Twisted endpoints to listen on instead of the port.

    Example: ``["tcp:8045:interface=127.0.0.1", "unix:/run/antigravity.sock"]``
    """
    allow_lan_access: bool = False
    """Allow other machines to connect; false listens on 127.0.0.1 only."""
    auth_mode: AuthMode = "auto"
    """Which requests need the API key: ``"off"`` none, ``"strict"`` all, ``"all_except_health"``
    all but ``GET /healthz``.  ``"auto"`` is ``"all_except_health"`` if other machines can connect
    (``allow_lan_access``, ``listen``, ``trusted_proxies``), else ``"off"``.

    Example: ``"strict"``
    """
    api_key: Secret = Secret()
    """The key that clients must send, if they have no key with rules.  With authentication on and
    no key, every request is refused.

    See `keys <keys.rst>`_.

    Example: ``"sk-a-long-random-text"``
    """
    request_timeout: Seconds = 600.0
    """The time limit of a request to an upstream, to the end of the response."""
    http_client: HttpClientName = "httptools"
    """The HTTP client for upstreams: ``"httptools"`` is fast and strict, ``"twisted"`` is slower
    and more tolerant of servers that send malformed responses.

    ``"httptools"`` refuses every response whose end is not certain.  ``"twisted"`` uses the agent
    of Twisted, which tolerates, for example, lines without CR.  Both send with treq.

    Example: ``"twisted"``
    """
    custom_mapping: dict[str, str] = {}
    """Models that replace others; ``*`` is a wildcard.

    See `clients <clients.rst>`_.

    Example: ``{ "gpt-4o" = "gemini-2.5-flash", "claude-*" = "gemini-2.5-pro" }``
    """
    allowed_origins: list[str] = []
    """Origins of web pages that may call the gateway.

    Example: ``["http://localhost:3000"]``
    """
    allowed_hosts: list[str] = []
    """Host names that clients may use in addition to the gateway's own addresses.

    Example: ``["llm.example.org"]``
    """
    public_url: str = ""
    """The public address of the gateway, for links in responses.  Empty: the address that the
    client used.

    Example: ``"https://llm.example.org"``
    """
    trusted_proxies: list[str] = []
    """Addresses and networks of the reverse proxies in front of the gateway, whose headers about
    the client are believed.  ``"unix"`` is a proxy that connects to a UNIX socket.

    They say from which address, under which host name and whether over TLS a client connected.
    Without them all clients of a proxy have the address of the proxy.  Name only proxies, and not a
    network from which clients connect, too.  See `operations
    <operations.rst#behind-a-reverse-proxy>`_.

    Example: ``["127.0.0.1", "10.0.3.0/28"]``
    """
    forwarded_header: ForwardedHeader = "X-Forwarded-For"
    """The header in which trusted proxies name the client: ``"X-Forwarded-For"``, with
    ``X-Forwarded-Proto`` and ``X-Forwarded-Host``, or ``"Forwarded"`` (RFC 7239).  The other one is
    ignored: a proxy may pass it on as a client has sent it.

    Example: ``"Forwarded"``
    """
    max_body_bytes: Bytes = 64 * 1024 * 1024
    """The largest request body, after decompression.

    The default is enough for OpenAI's limit of 50 MB of files in one request, in base64, and for
    Anthropic's limit of 32 MB.  Raise it to send Gemini files of up to 100 MB inline.  While the
    gateway decodes one very long string, it serves no other client: about 0.5 to 1.5 ms for each
    MiB.
    """
    body_timeout: Seconds = 60.0
    """How long a client may take to send a request body."""
    idle_timeout: Seconds = 120.0
    """How long a connection may be idle."""
    keepalive_interval: Seconds = 15.0
    """How often a silent stream gets a keep-alive event."""
    shutdown_grace: Seconds = 10.0
    """How long requests in progress may continue when the gateway stops."""
    debug_headers: bool = False
    """List in ``X-Antigravity-Warnings`` also the settings and hints that translation dropped, not
    only content and tools.
    """
    overhead_header: bool = True
    """Say in ``X-Antigravity-Overhead-Ms`` how many milliseconds the gateway itself has taken.

    It costs about two millionths of a second.  See `operations <operations.rst>`_.
    """
    admin_key: Secret = Secret()
    """The key for the admin API under ``/admin/``, which ``antigravity reload`` and other
    commands use.  Without a key this API is off.

    Example: ``"sk-another-random-text"``
    """
    expose_account: Literal["never", "loopback", "always"] = "loopback"
    """Which clients get the header ``X-Account-Email``, which names the account that served:
    ``"never"`` none, ``"loopback"`` clients on this machine, ``"always"`` all clients.
    """
    parallel_choices: Annotated[int, Meta(ge=1, le=128)] = 4
    """A request for several choices (``n``, ``candidateCount``, several prompts) is split into one
    request for each, if the model returns only one.  This many of them run at a time.
    """
    whole_responses: WholeResponses = "auto"
    """How translated requests of clients that do not stream are sent to upstreams: ``"never"``
    streams them, ``"always"`` asks for a whole response, ``"auto"`` only if a short one is
    expected.

    A stream is collected for the client.  A whole response costs less, but keeps the connection
    silent until its end.  See `protocols <protocols.rst#whole-responses>`_.
    """
    scheduling: SchedulingSettings = SchedulingSettings()
    zai: ZaiSettings = ZaiSettings()


def effective_auth_mode(proxy: ProxySettings) -> Literal["off", "strict", "all_except_health"]:
    """Return the mode in force; ``auto`` requires a key if clients of other machines can connect.

    A proxy in front of the gateway forwards such clients.
    """
    if proxy.auth_mode == "auto":
        networked = proxy.allow_lan_access or any(map(reaches_network, proxy.listen))
        return "all_except_health" if networked or proxy.trusted_proxies else "off"
    return proxy.auth_mode
