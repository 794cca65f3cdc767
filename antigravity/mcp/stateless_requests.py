"""Check requests of the stateless revision, and choose the HTTP statuses of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.extensions import TASKS, declares
from antigravity.mcp.protocol.headers import META, VERSION_HEADER, check_headers, mismatch
from antigravity.mcp.protocol.messages import Request
from antigravity.mcp.protocol.revisions import REVISIONS, Revision

_BAD_REQUEST: Final = (
    messages.HEADER_MISMATCH,
    messages.MISSING_CAPABILITY,
    messages.UNSUPPORTED_VERSION,
    messages.INVALID_REQUEST,
)


def check(request: Request, headers: Mapping[str, str]) -> Revision:
    """Return the revision of a request after checking its ``_meta`` and headers.

    :raises McpError: if they are not valid.
    """
    meta = request.params.get("_meta")
    version = meta.get(f"{META}protocolVersion") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(version, str):
        raise McpError(messages.INVALID_PARAMS, f"_meta must hold {META}protocolVersion.")
    if not isinstance(meta.get(f"{META}clientCapabilities"), Mapping):
        raise McpError(messages.INVALID_PARAMS, f"_meta must hold {META}clientCapabilities.")
    given = headers.get(VERSION_HEADER)
    if given is None:
        raise mismatch("MCP-Protocol-Version is missing.")
    if given.strip() != version:
        raise mismatch("MCP-Protocol-Version differs from the body.")
    revision = REVISIONS.get(version)
    if revision is None or not revision.stateless:
        raise McpError(
            messages.UNSUPPORTED_VERSION,
            "Unsupported protocol version",
            {"supported": list(REVISIONS), "requested": version},
        )
    check_headers(request, headers)
    return revision


def declares_tasks(request: Request) -> bool:
    """Return whether the client declares the extension for tasks."""
    return declares(request.params["_meta"][f"{META}clientCapabilities"], TASKS)


def http_status(error: McpError, *, early: bool) -> int:
    """Return the HTTP status of an error; ``early`` if no method was called."""
    if error.code == messages.METHOD_NOT_FOUND and early:
        return 404
    if error.code in _BAD_REQUEST or (early and error.code == messages.INVALID_PARAMS):
        return 400
    return 503 if early else 200
