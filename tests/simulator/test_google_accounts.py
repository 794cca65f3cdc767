"""OAuth tokens, projects, quotas, the envelope of Code Assist, and the remote MCP server."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, ClassVar

import pytest
from twisted.internet.defer import inlineCallbacks

from antigravity.simulator.errors import ApiError
from antigravity.simulator.google_accounts import token
from antigravity.simulator.state import State
from tests.simulator.fixtures import SimulatorTestCase, contents, events


def refresh(state: State, name: str) -> Any:
    """Return the answer to a refresh token."""
    form = {"grant_type": "refresh_token", "client_id": "c", "refresh_token": name}
    return token(state, form)


def test_access_token_expires_and_can_be_revoked() -> None:
    now = [0.0]
    state = State(lambda: now[0], lifetime=100)
    answer = refresh(state, "r")
    assert answer.body["expires_in"] == 100
    assert state.account(answer.body["access_token"]).refresh_token == "r"
    now[0] = 100.0
    with pytest.raises(ApiError) as caught:
        state.account(answer.body["access_token"])
    assert caught.value.status == 401
    assert refresh(state, "revoked-1").body["error"] == "invalid_grant"
    assert token(state, {"grant_type": "refresh_token"}).status == 400


class CodeAssistTests(SimulatorTestCase):
    options: ClassVar[dict[str, Any]] = {"token_lifetime": 60.0}

    @inlineCallbacks
    def sign_in(self, name: str) -> Any:
        """Return the header of an account."""
        form = {"grant_type": "refresh_token", "client_id": "c", "refresh_token": name}
        response = yield self.http.post(f"{self.base}/token", data=form)
        body = yield response.json()
        return {"authorization": f"Bearer {body['access_token']}"}

    @inlineCallbacks
    def test_new_account_is_onboarded(self) -> Any:
        key = yield self.sign_in("new-one")
        load = {"metadata": {"ideType": "ANTIGRAVITY"}}
        _, body = yield self.ask("/v1internal:loadCodeAssist", load, **key)
        assert "cloudaicompanionProject" not in body
        tier = {"tierId": body["allowedTiers"][0]["id"], "metadata": {}}
        _, first = yield self.ask("/v1internal:onboardUser", tier, **key)
        _, second = yield self.ask("/v1internal:onboardUser", tier, **key)
        assert (first["done"], second["done"]) == (False, True)
        _, body = yield self.ask("/v1internal:loadCodeAssist", load, **key)
        project = second["response"]["cloudaicompanionProject"]["id"]
        assert body["cloudaicompanionProject"] == project

    @inlineCallbacks
    def test_code_assist_wraps_responses(self) -> Any:
        key = yield self.sign_in("r")
        request = {"model": "gemini-3-flash", "project": "p", "request": contents("hello")}
        response, body = yield self.ask("/v1internal:generateContent", request, **key)
        assert response.headers.getRawHeaders("x-cloudaicompanion-trace-id") is not None
        assert body["response"]["candidates"][0]["content"]["parts"] == [{"text": "hello"}]
        path = "/v1internal:streamGenerateContent?alt=sse"
        _, raw = yield self.ask(path, request, **key)
        assert all("response" in event for event in events(raw))
        _, body = yield self.ask("/v1internal:countTokens", {"request": contents("hello")}, **key)
        assert body == {"totalTokens": 2}
        response, _ = yield self.ask("/v1internal:generateContent", request)
        assert response.code == 401

    @inlineCallbacks
    def test_exhausted_account_is_refused_with_retry_delay(self) -> Any:
        key = yield self.sign_in("exhausted-r")
        request = {"model": "gemini-3-flash", "request": contents("hello")}
        response, body = yield self.ask("/v1internal:generateContent", request, **key)
        assert response.code == 429
        assert body["error"]["details"][0]["reason"] == "QUOTA_EXHAUSTED"
        _, body = yield self.ask("/v1internal:fetchAvailableModels", {}, **key)
        quota = body["models"]["gemini-3-flash"]["quotaInfo"]
        assert "remainingFraction" not in quota
        assert "resetTime" in quota

    @inlineCallbacks
    def test_remaining_quota_follows_the_account_name(self) -> Any:
        for name, left in (("left-7-a", 0.07), ("left-100-a", 1.0), ("left-a", 0.75)):
            key = yield self.sign_in(name)
            _, body = yield self.ask("/v1internal:fetchAvailableModels", {}, **key)
            assert body["models"]["gemini-3-flash"]["quotaInfo"]["remainingFraction"] == left
            _, body = yield self.ask("/v1internal:retrieveUserQuotaSummary", {}, **key)
            assert body["groups"][0]["buckets"][0]["remainingFraction"] == left

    @inlineCallbacks
    def test_authorization_code_is_exchanged_once_with_its_verifier(self) -> Any:
        verifier = "v" * 43
        made = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        query = f"redirect_uri=http://127.0.0.1:1/cb&state=s%26&code_challenge={challenge}"
        response = yield self.http.get(
            f"{self.base}/o/oauth2/v2/auth?{query}", allow_redirects=False
        )
        place = response.headers.getRawHeaders("location")[0]
        assert place.endswith("&state=s%26")
        form = {
            "grant_type": "authorization_code",
            "client_id": "c",
            "code": place.split("code=")[1].split("&")[0],
            "redirect_uri": "http://127.0.0.1:1/cb",
            "code_verifier": verifier,
        }
        state = self.simulator.state
        state.store_challenge("other", challenge)
        assert token(state, {**form, "code": "other", "code_verifier": "x"}).status == 400
        answer = token(state, form)
        assert answer.body["refresh_token"].startswith("sim-rt-")


class RemoteMcpTests(SimulatorTestCase):
    @inlineCallbacks
    def rpc(self, method: str, session: str | None = None, **params: Any) -> Any:
        """Send a request, and return the response and the message in it."""
        headers = {"accept": "application/json, text/event-stream"}
        if session:
            headers["mcp-session-id"] = session
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            body["id"] = 1
        path = "/api/mcp/web_reader/mcp"
        response, raw = yield self.ask(path, body, **headers)
        if isinstance(raw, bytes) and raw:
            raw = json.loads(raw.partition(b"data:")[2])
        return response, raw

    @inlineCallbacks
    def test_mcp_session_lists_and_calls_tools(self) -> Any:
        _, answer = yield self.rpc("server/discover")
        assert answer["error"]["code"] == -32601
        response, answer = yield self.rpc("tools/list")
        assert response.code == 400
        response, answer = yield self.rpc("initialize", protocolVersion="2025-11-25")
        assert answer["result"]["protocolVersion"] == "2025-11-25"
        (session,) = response.headers.getRawHeaders("mcp-session-id")
        response, answer = yield self.rpc("notifications/initialized", session)
        assert (response.code, answer) == (202, b"")
        _, answer = yield self.rpc("tools/list", session)
        (tool,) = answer["result"]["tools"]
        _, answer = yield self.rpc(
            "tools/call", session, name=tool["name"], arguments={"url": "https://a/"}
        )
        assert "https://a/" in answer["result"]["content"][0]["text"]
        _, answer = yield self.rpc("tools/call", session, name=tool["name"])
        assert answer["result"]["isError"] is True
        response, _ = yield self.rpc("tools/list", "unknown")
        assert response.code == 404
