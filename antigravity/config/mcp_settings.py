"""The settings of MCP."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from antigravity.config.secret import Secret
from antigravity.config.value_types import (
    HeaderSecret,
    KeyText,
    Seconds,
    TaskSeconds,
    TextSecret,
)


class ZaiMcpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[proxy.zai.mcp]``: the z.ai tools to offer over MCP.

    See `MCP <mcp.rst>`_.
    """

    enabled: bool = False
    """Offer z.ai tools."""
    web_search_enabled: bool = False
    """Offer web search at ``/mcp/web_search_prime/mcp``."""
    web_reader_enabled: bool = False
    """Offer the web reader at ``/mcp/web_reader/mcp``."""
    vision_enabled: bool = False
    """Offer the vision tools at ``/mcp/zai-mcp-server/mcp``."""
    api_key: Secret = Secret()
    """The key for these tools.  Empty: the key of ``proxy.zai``.

    Example: ``"your-key"``
    """
    web_search_url: str = "https://api.z.ai/api/mcp/web_search_prime/mcp"
    """The address of the web search server.

    Example: ``"https://mcp.example.org/search"``
    """
    web_reader_url: str = "https://api.z.ai/api/mcp/web_reader/mcp"
    """The address of the web reader server.

    Example: ``"https://mcp.example.org/reader"``
    """


class McpVisionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.vision]``: the vision tools at ``/mcp/zai-mcp-server/mcp``.

    ``proxy.zai.mcp.vision_enabled`` offers them.
    """

    model: str = ""
    """The vision model, any that the gateway serves.  Empty: a model of z.ai.

    Example: ``"gemini-2.5-flash"``
    """
    zai_url: str = "https://api.z.ai/api/paas/v4/chat/completions"
    """The address of z.ai; the key is that of ``proxy.zai.mcp``.

    Example: ``"https://open.bigmodel.cn/api/paas/v4/chat/completions"``
    """
    zai_model: str = "glm-4.6v"
    """The vision model of z.ai.

    Example: ``"glm-4.5v"``
    """
    roots: list[str] = []
    """Folders on this machine from which clients may pass images and videos by path.  Links in them
    are not followed.

    Example: ``["/srv/pictures"]``
    """


class McpOAuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.servers.NAME.oauth]``: logins to a server without a key.

    ``antigravity mcp login NAME`` logs in.
    """

    client_id: KeyText = ""
    """The OAuth client that you have registered at the authorization server.  Empty: the gateway
    uses ``mcp.client_metadata_url``, or registers itself.

    Example: ``"my-client"``
    """
    client_secret: Secret = Secret()
    """Its secret, if it has one.

    Example: ``"your-client-secret"``
    """
    issuer: str = ""
    """The authorization server to use.  Empty: the one that the server names.  Required for a
    secret, and for a server that is not on the public Internet.

    Example: ``"https://login.example.org"``
    """
    scopes: list[str] = []
    """The scopes to request, instead of those that the server names.

    Example: ``["files.read"]``
    """
    redirect_uri: str = ""
    """The address on this machine at which the browser ends, as it was registered for
    ``client_id``.  Without a port, a free one is used.

    Example: ``"http://127.0.0.1:8765/callback"``
    """


class McpServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.servers.NAME]``: another MCP server, whose tools are ``NAME__TOOL`` at ``/mcp``.

    It is at ``url``, or a program (``command``) on this machine.

    See `MCP <mcp.rst>`_.
    """

    enabled: bool = True
    """Use this server."""
    url: str = ""
    """Its address (streamable HTTP).

    Example: ``"https://mcp.example.org/mcp"``
    """
    api_key: Secret = Secret()
    """Its key, sent as Bearer.

    Example: ``"your-key"``
    """
    headers: dict[str, HeaderSecret] = {}
    """Additional headers to send.

    Example: ``{ "X-Team" = "research" }``
    """
    command: str = ""
    """The program to run, instead of an address.

    Example: ``"npx"``
    """
    args: list[str] = []
    """Its arguments.  Other users of this machine can see them: put secrets in ``env``.

    Example: ``["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"]``
    """
    env: dict[str, TextSecret] = {}
    """Its environment variables, in addition to ``PATH``, ``HOME``, ``LANG`` and the like.

    Example: ``{ TOKEN = "your-token" }``
    """
    directory: str = ""
    """Its working directory.  Empty: ``state/mcp/NAME`` in the home directory.

    Example: ``"/srv/mcp"``
    """
    tools: list[str] = field(default_factory=lambda: ["*"])
    """The tools to offer; ``*`` is a wildcard.

    Example: ``["read_*"]``
    """
    start_timeout: Seconds = 60.0
    """How long it may take to start and list its tools."""
    timeout: Seconds = 0.0
    """The time limit of a call; 0 stands for ``mcp.call_timeout``.

    Example: ``"90s"``
    """
    oauth: McpOAuthSettings = McpOAuthSettings()


class McpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp]``: tools, prompts and resources for MCP clients, at ``/mcp``.

    See `MCP <mcp.rst>`_.
    """

    enabled: bool = True
    """Serve ``/mcp``; ``false`` responds with 404."""
    session_ttl: Seconds = 3600.0
    """How long an idle session is kept (protocol revisions up to 2025-11-25)."""
    max_sessions: Annotated[int, Meta(ge=1)] = 1000
    """How many sessions are kept; the one that was idle longest is dropped first."""
    max_calls: Annotated[int, Meta(ge=0)] = 256
    """How many calls run at a time, over all clients; 0 is no limit."""
    call_timeout: Seconds = 600.0
    """The time limit of a call; 0 is no limit."""
    max_tasks: Annotated[int, Meta(ge=0)] = 1000
    """How many calls that continue as tasks are kept, over all clients.

    See `tasks <mcp.rst#tasks>`_.
    """
    max_tasks_per_key: Annotated[int, Meta(ge=0)] = 100
    """How many tasks of one key are kept."""
    task_ttl: TaskSeconds = 3600.0
    """How long a task may run; a second to a week.

    Its end is kept for at least 5 minutes.

    Example: ``"6h"``
    """
    client_metadata_url: str = ""
    """The address of a client id metadata document of your own, with which the gateway logs in to
    other MCP servers (``antigravity mcp login``).  Empty: it registers itself.

    See `logins <mcp.rst#log-in-to-a-server>`_.

    Example: ``"https://llm.example.org/client.json"``
    """
    vision: McpVisionSettings = McpVisionSettings()
    servers: dict[str, McpServerSettings] = {}
