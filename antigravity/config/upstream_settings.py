"""The settings of upstreams."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from antigravity.config.secret import Secret
from antigravity.config.value_types import HeaderText, KeyText, Seconds

OpenAIApi = Literal["chat", "responses", "completions", "images", "audio"]


class TimeoutSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME.timeouts]``: time limits of an upstream; 0 disables a limit.

    `Operations <operations.rst#time-limits>`_ describes what a client gets when a limit is
    exceeded.
    """

    connect: Seconds = 20.0
    """To connect, TLS handshake included."""
    first_byte: Seconds = 300.0
    """To the beginning of the response.

    A whole response begins with its end, so it has this time and ``idle``.
    """
    idle: Seconds = 300.0
    """Between two chunks of the response."""
    total: Seconds = 0.0
    """To the end of the response; 0 stands for ``proxy.request_timeout``.

    Example: ``"20m"``
    """


class OAuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME.oauth]``: your own OAuth client, for kind ``"codeassist"``.

    `Accounts <accounts.rst>`_ describes how to get one.
    """

    client_id: KeyText = ""
    """Its id.

    Example: ``"you.apps.googleusercontent.com"``
    """
    client_secret: Secret = Secret()
    """Its secret.

    Example: ``"your-client-secret"``
    """
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    """The address for access tokens.

    Example: ``"https://login.example.com/token"``
    """
    auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    """The login page for ``antigravity accounts login``.

    Example: ``"https://login.example.com/authorize"``
    """
    userinfo_url: str = "https://www.googleapis.com/oauth2/v2/userinfo"
    """The address that returns the user's e-mail address.

    Example: ``"https://login.example.com/userinfo"``
    """
    scopes: list[str] = field(
        default_factory=lambda: [
            "https://www.googleapis.com/auth/cloud-platform",
            "https://www.googleapis.com/auth/userinfo.email",
        ]
    )
    """The permissions to request.

    Example: ``["https://www.googleapis.com/auth/cloud-platform"]``
    """


class UpstreamSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstreams.NAME]``: one table for each provider, with a name of your choice.

    `Accounts <accounts.rst>`_ that you add with ``antigravity accounts add`` need no table.
    """

    kind: str
    """The kind: ``"gemini_api"``, ``"codeassist"``, ``"anthropic"``, ``"openai"``, or a plugin's
    kind.  Required.

    Example: ``"openai"``
    """
    enabled: bool = True
    """Use this upstream."""
    base_url: str = ""
    """Its address.  Empty: the public address of its kind.

    Example: ``"https://openrouter.ai/api/v1"``
    """
    base_urls: list[str] = []
    """Several addresses instead of ``base_url``.  If one fails, the next one is tried.

    Example: ``["https://one.example.com/v1", "https://two.example.com/v1"]``
    """
    api_key: Secret = Secret()
    """Its key.

    Example: ``"sk-your-key"``
    """
    api_keys: list[Secret] = []
    """Several keys, used in turn.

    Example: ``["sk-first-key", "sk-second-key"]``
    """
    refresh_token: Secret = Secret()
    """The OAuth refresh token, for kind ``"codeassist"``.

    Example: ``"1//your-refresh-token"``
    """
    project: str = ""
    """The Google Cloud project, for kind ``"codeassist"``.  Empty: the project that Google assigns.

    Example: ``"my-project-123"``
    """
    models: list[str] = []
    """The models that it serves; ``*`` is a wildcard.  Empty: the models that it lists.

    Example: ``["claude-*", "gpt-5.1"]``
    """
    priority: int = 0
    """If several upstreams have a model, the one with the lowest number serves first.  Upstreams
    with the same priority share the requests, as accounts do.  With 0 they are tried in order
    instead: first those with the client's protocol, then the order of the configuration.

    Example: ``1``
    """
    auth: Literal["auto", "x-api-key", "bearer"] = "auto"
    """How an upstream of kind ``"anthropic"`` expects its key: ``"x-api-key"``, ``"bearer"``, or
    ``"auto"``.

    Example: ``"bearer"``
    """
    apis: list[OpenAIApi] = field(default_factory=lambda: ["chat", "responses", "images", "audio"])
    """The APIs of an upstream of kind ``"openai"``: ``"chat"`` or ``"responses"``, and
    ``"images"``, ``"audio"``.  With ``"completions"`` it serves legacy completions too; otherwise
    they are translated to chat.

    Example: ``["chat"]``
    """
    responses_websocket: bool = False
    """Use the Responses API of an upstream of kind ``"openai"`` over WebSocket, for clients that do
    so.

    See `protocols <protocols.rst#upstreams-over-websocket>`_.
    """
    headers: dict[str, HeaderText] = {}
    """Additional headers to send.

    Example: ``{ "X-Team" = "research" }``
    """
    quirks: list[str] = []
    """What this upstream accepts (``"X"``) and refuses (``"no_X"``), in addition to what is known
    about its address, such as ``"no_stream_options"``.  The page about the configuration lists
    them.

    See `quirks <configuration.rst#quirks-of-upstreams>`_.

    Example: ``["no_stream_options", "top_k"]``
    """
    http_proxy: str = ""
    """The HTTP proxy to use for it.

    Example: ``"http://127.0.0.1:3128"``
    """
    timeouts: TimeoutSettings = TimeoutSettings()
    oauth: OAuthSettings = OAuthSettings()
    options: dict[str, Any] = {}
    """Options of its kind of upstream.

    Example: ``{ region = "eu" }``
    """
