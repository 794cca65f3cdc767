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

    An empty ``api_key`` stands for ``proxy.zai.api_key``.
    """

    enabled: bool = False
    web_search_enabled: bool = False
    web_reader_enabled: bool = False
    vision_enabled: bool = False
    api_key: Secret = Secret()
    web_search_url: str = "https://api.z.ai/api/mcp/web_search_prime/mcp"
    web_reader_url: str = "https://api.z.ai/api/mcp/web_reader/mcp"


class McpVisionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.vision]``: the vision tools.

    ``model`` is a model of the gateway; empty: z.ai's, with the key of ``proxy.zai.mcp``.  Files
    below ``roots`` may be passed by path.
    """

    model: str = ""
    zai_url: str = "https://api.z.ai/api/paas/v4/chat/completions"
    zai_model: str = "glm-4.6v"
    roots: list[str] = []


class McpOAuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.servers.NAME.oauth]``: logins to a server.

    Without a ``client_id``, the gateway uses ``mcp.client_metadata_url`` or registers itself.
    ``scopes`` replace those that the server names.  ``redirect_uri`` is a loopback address; without
    a port, a free one is used.
    """

    client_id: KeyText = ""
    client_secret: Secret = Secret()
    issuer: str = ""
    scopes: list[str] = []
    redirect_uri: str = ""


class McpServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.servers.NAME]``: another server, whose tools are offered as ``NAME__TOOL``.

    It is at ``url``, or a program (``command``) on this machine.  ``tools`` are patterns of the
    tools to offer.
    """

    enabled: bool = True
    url: str = ""
    api_key: Secret = Secret()
    headers: dict[str, HeaderSecret] = {}
    command: str = ""
    args: list[str] = []
    env: dict[str, TextSecret] = {}
    directory: str = ""
    tools: list[str] = field(default_factory=lambda: ["*"])
    start_timeout: Seconds = 60.0
    timeout: Seconds = 0.0
    oauth: McpOAuthSettings = McpOAuthSettings()


class McpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp]``: tools, prompts and resources for MCP clients, at ``/mcp``.

    ``max_calls`` run at a time, each for up to ``call_timeout``; 0 is no limit.  Calls that
    continue as tasks have limits of their own: their number, and the time for which each is kept.
    ``client_metadata_url`` is the address of a client id metadata document for logins to
    ``servers``.
    """

    enabled: bool = True
    session_ttl: Seconds = 3600.0
    max_sessions: Annotated[int, Meta(ge=1)] = 1000
    max_calls: Annotated[int, Meta(ge=0)] = 256
    call_timeout: Seconds = 600.0
    max_tasks: Annotated[int, Meta(ge=0)] = 1000
    max_tasks_per_key: Annotated[int, Meta(ge=0)] = 100
    task_ttl: TaskSeconds = 3600.0
    client_metadata_url: str = ""
    vision: McpVisionSettings = McpVisionSettings()
    servers: dict[str, McpServerSettings] = {}
