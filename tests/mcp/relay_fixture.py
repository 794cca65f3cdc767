"""A relay endpoint in front of a fake remote server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.mcp.relay import target as relayed
from antigravity.mcp.relay.endpoint import RelayEndpoint
from antigravity.mcp.tool_calls import ToolCall, ToolCallEnd
from tests.mcp.fake_transport import RelayTarget, Response
from tests.mcp.fixtures import answer

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "x"}}
OPEN = {"mcp-session-id": "theirs-1"}


class Relay:
    """An endpoint before a remote server that is not there."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.remote = RelayTarget(*answers)
        self.clock = Clock()
        self.running: list[object] = []
        self.ended: list[tuple[ToolCall, ToolCallEnd]] = []
        where = relayed.RelayTarget(
            "Search", "https://remote.example/mcp", (("authorization", "Bearer OURS"),), 30.0
        )
        self.endpoint = RelayEndpoint(
            where,
            self.remote,
            self.clock,
            self.running.append,
            self.running.remove,
            self.observe,
        )

    def observe(self, call: ToolCall) -> Callable[[ToolCallEnd], None]:
        """Collect how calls of tools end."""
        return lambda end: self.ended.append((call, end))

    def send(
        self, method: str = "POST", body: object = CALL, principal: str = "alice", **headers: str
    ) -> Deferred[Reply]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(body).encode() if method == "POST" else b""
        return self.endpoint.handle(McpCall(method, named, data, principal))

    def ask(self, method: str = "POST", **more: Any) -> Reply:
        return answer(self.send(method, **more))

    def error(self, reply: Reply) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(reply.body)
        assert found["jsonrpc"] == "2.0"
        return found

    def open(self, principal: str = "alice") -> str:
        """Open a session, and return its name."""
        self.remote.answers.append(Response(headers=OPEN, body=b"{}"))
        return dict(self.ask(principal=principal).headers)["Mcp-Session-Id"]
