"""Remote MCP servers with one tool each, like z.ai's; no I/O.

Streamable HTTP with sessions: responses are server-sent events whose fields have no space after
the colon, notifications get 202, and requests without the session header are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from antigravity.simulator.state import State
from antigravity.simulator.view import compact
from antigravity.version import VERSION

_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
TOOLS: Final[dict[str, dict[str, Any]]] = {
    "web_search_prime": {
        "name": "webSearchPrime",
        "description": "Search the (simulated) web.",
        "inputSchema": {
            "type": "object",
            "properties": {"search_query": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["search_query"],
        },
    },
    "web_reader": {
        "name": "webReader",
        "description": "Read a (simulated) web page.",
        "inputSchema": {
            "type": "object",
            "properties": {"url": {"type": "string"}},
            "required": ["url"],
        },
    },
}


@dataclass(frozen=True)
class McpResponse:
    """An HTTP response."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    session: str | None = None


def _failure(status: int, code: int, message: str, id_: Any = None) -> McpResponse:
    error = {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}
    return McpResponse(status, compact(error).encode())


def _stream(value: dict[str, Any], session: str | None = None) -> McpResponse:
    data = f"id:1\nevent:message\ndata:{compact(value)}\n\n".encode()
    return McpResponse(200, data, "text/event-stream", session)


def handle(
    state: State, server: str, method: str, headers: dict[str, str], raw: bytes
) -> McpResponse:
    """Return the response to one HTTP request to the server named ``server``."""
    session = headers.get("mcp-session-id")
    if method == "GET":
        return _failure(405, -32000, "Method Not Allowed")
    if method == "DELETE":
        known = session is not None and state.sessions.drop(session)
        return McpResponse(200) if known else _failure(404, -32001, "Session not found")
    accept = headers.get("accept", "")
    if "application/json" not in accept or "text/event-stream" not in accept:
        return _failure(
            406,
            -32000,
            "Not Acceptable: Client must accept both application/json and text/event-stream",
        )
    try:
        message = json.loads(raw)
    except ValueError:
        return _failure(400, -32700, "Parse error")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _failure(400, -32600, "Invalid Request")
    verb, id_ = message.get("method"), message.get("id")
    params = message.get("params") if isinstance(message.get("params"), dict) else {}
    assert isinstance(params, dict)
    if verb == "initialize":
        return _initialize(state, server, id_, params)
    if verb == "server/discover":
        return _stream(_error(id_, -32601, "Method not found"))
    if session is None:
        return _failure(400, -32000, "Bad Request: Mcp-Session-Id header is required", id_)
    if state.sessions.get(session) != server:
        return _failure(404, -32001, "Session not found", id_)
    if id_ is None:
        return McpResponse(202)
    return _stream(_answer(server, str(verb), id_, params))


def _error(id_: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}


def _initialize(state: State, server: str, id_: Any, params: dict[str, Any]) -> McpResponse:
    version = params.get("protocolVersion")
    if not isinstance(version, str):
        return _stream(_error(id_, -32602, "Invalid params: protocolVersion is required"))
    session = f"sim-session-{state.next_number():08d}"
    state.sessions.put(session, server)
    result = {
        "protocolVersion": version if version in _VERSIONS else "2025-06-18",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": f"simulated-{server}", "version": VERSION},
    }
    return _stream({"jsonrpc": "2.0", "id": id_, "result": result}, session)


def _answer(server: str, verb: str, id_: Any, params: dict[str, Any]) -> dict[str, Any]:
    tool = TOOLS[server]
    match verb:
        case "ping":
            result: dict[str, Any] = {}
        case "tools/list":
            result = {"tools": [tool]}
        case "tools/call":
            if params.get("name") != tool["name"]:
                return _error(id_, -32602, f"Unknown tool: {params.get('name')}")
            result = _call(tool, params.get("arguments") or {})
        case _:
            return _error(id_, -32601, "Method not found")
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def _call(tool: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    argument = tool["inputSchema"]["required"][0]
    value = arguments.get(argument)
    if not isinstance(value, str) or not value:
        text = f"{argument} is required"
    elif tool["name"] == "webReader":
        text = compact({"title": "Simulated page", "url": value, "content": f"Page at {value}"})
    else:
        text = compact(
            [{"title": f"About {value}", "link": "https://example.com/", "content": value}]
        )
    failed = not isinstance(value, str) or not value
    return {"content": [{"type": "text", "text": text}], "isError": failed}
