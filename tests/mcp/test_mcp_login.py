"""Federated servers behind a login: its states, its remedies, and where tokens go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from antigravity.mcp.client import federated_server
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.client.federated_server import FederatedServer, ServerTimeouts
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.list_entries import pattern_of
from antigravity.mcp.client.server_login import ServerLogin
from antigravity.oauth.grants import GrantFile
from tests.support.oauth_network import Response
from tests.support.oauth_scene import Scene, outcome

REMEDY = "run 'antigravity mcp login far'"


class Federated(Scene):
    """A scene whose server is behind the gateway."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home
        self.file = GrantFile(home, "far")
        self.store = self.tokens(home)
        self.login_state = ServerLogin("far", self.store, self.clock, self.now)
        address = Address("far", self.url, timeout=30.0, authorization=self.login_state)
        self.member = FederatedServer(
            "far",
            self.clock,
            lambda receive: HttpChannel(self.network, self.clock, address, receive),
            ServerTimeouts(),
            pattern_of(["*"]),
            self.login_state,
        )

    def save_login(self, **more: Any) -> None:
        """Log in as another process does."""
        earlier = GrantFile(self.home, "far").read()
        GrantFile(self.home, "far").write(self.login(earlier, **more))

    def start(self) -> Federated:
        self.member.start()
        return self

    def stop(self) -> None:
        stopped = outcome(self.member.stop())
        assert stopped == [None]
        assert not self.clock.getDelayedCalls()

    def call(self, tool: str = "echo") -> list[Any]:
        """Call a tool; the list holds the result or the error, once there is one."""
        asking: Deferred[Any] = Deferred.fromCoroutine(self._call(tool))
        return outcome(asking)

    async def _call(self, tool: str) -> Any:
        session = await self.member.session()
        return await session.request("tools/call", {"name": tool, "arguments": {"a": 1}})

    @property
    def state(self) -> str:
        return str(self.member.status().state)

    @property
    def login_status(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self.member.status().login)
        return {name: value for name, value in found.items() if value is not None}


@pytest.fixture
def scene(tmp_path: Path) -> Federated:
    return Federated(tmp_path)


def test_server_without_login_names_the_remedy(scene: Federated) -> None:
    scene.start()
    assert (scene.state, scene.login_status["state"]) == ("needs login", "needed")
    (error,) = scene.call()
    assert isinstance(error, McpConnectionError)
    assert REMEDY in error.message
    assert error.message.endswith("machine.")
    assert "authorization" not in scene.server.requests[-1].headers
    scene.stop()


def test_server_that_wants_a_key_names_both_remedies(scene: Federated) -> None:
    scene.server._challenge = lambda status, **more: _bare(status)  # type: ignore[method-assign]
    scene.start()
    (error,) = scene.call()
    assert "set mcp.servers.far.api_key, or run" in error.message
    scene.stop()


def _bare(status: int) -> Any:
    return Response(status, [], b"{}")


def test_login_connects_the_server_at_once(scene: Federated) -> None:
    scene.start()
    scene.clock.pump([1.0] * 100)  # so the pauses are long
    assert scene.state == "needs login"
    scene.save_login()
    scene.clock.advance(2.0)
    assert scene.state == "ready"
    assert [tool.name for tool in scene.member.catalog.tools()] == ["echo", "store"]
    status = scene.login_status
    assert (status["state"], status["renews"], status["missing_scopes"]) == ("active", True, [])
    assert 3400 < status["expires_in"] <= 3600
    (result,) = scene.call()
    assert result["content"][0]["text"] == '{"a": 1}'
    scene.stop()
    scene.check_strict()


def test_calls_go_on_over_many_renewals(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    used = set()
    for _ in range(5):
        scene.clock.advance(3500)
        (result,) = scene.call()
        assert result["content"]
        used.add(scene.server.calls[-1])
    assert len(used) == 5
    assert scene.state == "ready"
    scene.stop()
    scene.check_strict()


def test_refused_token_is_renewed_and_the_call_repeated(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    (result,) = scene.call()
    scene.server.distrusts.add(scene.server.calls[-1])
    (result,) = scene.call()
    assert result["content"]
    assert len(set(scene.server.calls)) == 2
    assert len(scene.server.calls) == 2, "the refused call was not processed"
    scene.stop()
    scene.check_strict()


def test_revoked_login_is_reported_and_healed_by_a_new_one(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    scene.authorization.revoke_all()
    (error,) = scene.call()
    assert REMEDY in error.message
    assert "revoked or has expired" in error.message
    assert (scene.state, scene.login_status["state"]) == ("needs login", "needed")
    assert [tool.name for tool in scene.member.catalog.tools()] == ["echo", "store"]
    before = len(scene.authorization.grants)
    scene.clock.pump([1.0] * 300)
    assert len(scene.authorization.grants) == before, "a lost login is not renewed"
    scene.save_login()
    scene.clock.advance(2.0)
    assert scene.state == "ready"
    (result,) = scene.call()
    assert result["content"]
    scene.stop()


def test_server_that_refuses_every_token_gets_few_renewals(scene: Federated) -> None:
    scene.save_login()
    scene.authorization.active = lambda token: None  # type: ignore[method-assign]
    scene.start()
    scene.clock.pump([1.0] * 500)
    assert scene.state == "needs login"
    renewals = [each for each in scene.authorization.grants if "refresh_token" in each]
    assert len(renewals) == 1
    scene.stop()


def test_logout_disconnects_at_the_next_call(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    GrantFile(scene.home, "far").remove()
    (error,) = scene.call()
    assert REMEDY in error.message
    assert scene.state == "needs login"
    scene.stop()


def test_missing_scope_fails_only_the_call(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    (error,) = scene.call("store")
    assert "does not permit this (write)" in error.message
    assert REMEDY in error.message
    assert scene.state == "ready"
    assert scene.login_status["missing_scopes"] == ["write"]
    (result,) = scene.call("echo")
    assert result["content"]
    # The next login requests it; the connection stays.
    scene.save_login()
    (result,) = scene.call("store")
    assert result["content"]
    assert scene.login_status["missing_scopes"] == []
    assert scene.authorization.authorizations[-1]["scope"] == "read write"
    scene.stop()
    scene.check_strict()


def test_forbidden_request_without_scope_is_not_a_login_problem(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    scene.server._challenge = lambda status, **more: _bare(403)  # type: ignore[method-assign]
    (error,) = scene.call("store")
    assert "refused the request (403)" in error.message
    assert scene.login_status["missing_scopes"] == []
    scene.stop()


def test_unavailable_authorization_server_is_no_lost_login(scene: Federated) -> None:
    scene.save_login()
    scene.clock.advance(4000)
    scene.authorization.fails = 1
    scene.start()
    assert scene.state == "waiting"
    assert "overloaded" in str(scene.member.status().reason)
    scene.clock.advance(federated_server.FIRST_PAUSE)
    assert scene.state == "ready"
    scene.stop()
    scene.check_strict()


def test_tokens_go_to_the_server_and_nowhere_else(scene: Federated) -> None:
    scene.save_login()
    handle = scene.server.handle

    def redirecting(request: Any) -> Any:
        response = handle(request)
        if json.loads(request.body or b"{}").get("method") == "tools/call":
            response.status, response.headers = 307, [("Location", "https://evil.example/mcp")]
        return response

    scene.network.origins[scene.server.origin] = redirecting
    scene.start()
    (error,) = scene.call()
    assert "moved" in error.message
    for request in scene.network.requests:
        header = request.headers.get("authorization", "")
        assert not header.startswith("Bearer") or request.url == scene.url
        assert "access-" not in request.url
    assert not any("evil" in each for each in scene.network.paths())
    scene.stop()


def test_errors_and_states_show_no_token(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    scene.authorization.revoke_all()
    (error,) = scene.call()
    shown = error.message + str(msgspec.json.encode(scene.member.status()))
    assert "-secret" not in shown
    scene.stop()


def test_stop_during_a_renewal_stores_it(scene: Federated) -> None:
    scene.save_login()
    scene.start()
    scene.clock.advance(3500)
    scene.network.hold = True
    scene.call()
    stopped = outcome(scene.member.stop())
    assert stopped == []
    scene.network.release()
    assert stopped == [None]
    grant = GrantFile(scene.home, "far").read()
    assert grant is not None
    assert scene.authorization.active(grant.access.reveal())
    assert not scene.clock.getDelayedCalls()
