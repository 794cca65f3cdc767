"""Requests that stand alone: what they must say, how they ask, and who hears of changes."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from antigravity.interfaces.mcp_values import ToolResult
from antigravity.mcp.function_objects import Prompt, Tool
from tests.mcp.fixtures import (
    META,
    MODERN,
    Client,
    Reader,
    answer,
    error,
    notification,
    request,
    result,
)

NAME = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture
def client() -> Client:
    return Client()


async def _greet(arguments: Any, context: Any) -> str:
    first = await context.elicit("First name?", NAME)
    last = await context.elicit("Last name?", NAME)
    return f"Hello, {first['content']['name']} {last['content']['name']}."


GREET = Tool("greet", "Greets.", _greet, {"type": "object"})
ECHO = Tool(
    "echo",
    "Echoes.",
    lambda arguments, context: json.dumps(arguments),
    {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {
                "type": "object",
                "properties": {"number": {"type": "integer", "x-mcp-header": "Number"}},
            },
        },
    },
)


def said(name: str) -> dict[str, Any]:
    return {"action": "accept", "content": {"name": name}}


def test_discovery_lists_versions_and_capabilities(client: Client) -> None:
    found = result(answer(client.modern("server/discover")))
    assert found["supportedVersions"][0] == MODERN
    core = {"tools", "prompts", "resources", "logging", "completions"}
    assert set(found["capabilities"]) == {*core, "extensions"}
    assert found["resultType"] == "complete"
    assert found["cacheScope"] == "private"
    assert found["ttlMs"] > 0
    assert found["_meta"][f"{META}serverInfo"]["name"] == "antigravity"


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/list"])
def test_lists_carry_cache_lifetime(client: Client, method: str) -> None:
    found = result(answer(client.modern(method)))
    assert (found["resultType"], found["cacheScope"]) == ("complete", "private")
    assert isinstance(found["ttlMs"], int)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mcp-protocol-version": "2025-11-25"}, -32020),
        ({"mcp-method": "prompts/list"}, -32020),
        ({"mcp-method": "TOOLS/CALL"}, -32020),
        ({"mcp-name": "other"}, -32020),
        ({"mcp-name": "=?base64?" + b64encode(b"other").decode() + "?="}, -32020),
        ({"mcp-name": "=?base64?%%%?="}, -32020),
        ({"mcp-param-region": "there"}, -32020),
    ],
)
def test_headers_that_contradict_body_are_rejected(
    client: Client, headers: dict[str, str], code: int
) -> None:
    client.catalog.add_tool(ECHO)
    params = {"name": "echo", "arguments": {"region": "here"}}
    right = {"mcp-param-region": "here"}
    assert answer(client.modern("tools/call", params, headers=right)).status == 200
    reply = answer(client.modern("tools/call", params, headers=right | headers))
    assert (reply.status, error(reply)["code"]) == (400, code)


def test_missing_headers_are_rejected(client: Client) -> None:
    client.catalog.add_tool(ECHO)
    meta = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}}
    params = {"name": "echo", "arguments": {}, "_meta": meta}
    whole = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "echo"}
    assert client.post(request("tools/call", params), whole).status == 200
    for name in whole:
        kept = {key: value for key, value in whole.items() if key != name}
        reply = client.post(request("tools/call", params), kept)
        assert (reply.status, error(reply)["code"]) == (400, -32020), name


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"region": "Zürich"}, {"mcp-param-region": "=?base64?WsO8cmljaA==?="}, 200),
        ({"region": "x"}, {}, 400),
        ({"region": None}, {"mcp-param-region": "x"}, 400),
        ({}, {"mcp-param-region": "x"}, 400),
        ({"deep": {"number": 42}}, {"mcp-param-number": "42.0"}, 200),
        ({"deep": {"number": 42}}, {"mcp-param-number": "43"}, 400),
        ({"deep": {"number": 42}}, {"mcp-param-number": "1e9"}, 400),
        ({"deep": {}}, {}, 200),
    ],
)
def test_argument_headers_are_compared_with_body(
    client: Client, arguments: Any, headers: dict[str, str], status: int
) -> None:
    client.catalog.add_tool(ECHO)
    params = {"name": "echo", "arguments": arguments}
    assert answer(client.modern("tools/call", params, headers=headers)).status == status


@pytest.mark.parametrize("key", ["protocolVersion", "clientCapabilities"])
def test_missing_client_metadata_is_rejected(client: Client, key: str) -> None:
    for value in (None, 5):
        reply = answer(client.modern("tools/list", meta={f"{META}{key}": value}))
        assert (reply.status, error(reply)["code"]) == (400, -32602)


def test_unsupported_version_error_lists_supported_ones(client: Client) -> None:
    reply = answer(
        client.modern(
            "tools/list",
            meta={f"{META}protocolVersion": "v9"},
            headers={"mcp-protocol-version": "v9"},
        )
    )
    assert reply.status == 400
    found = error(reply)
    assert found["code"] == -32022
    assert found["data"]["requested"] == "v9"
    assert MODERN in found["data"]["supported"]


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "no/such"])
def test_session_methods_return_404(client: Client, method: str) -> None:
    reply = answer(client.modern(method))
    assert (reply.status, error(reply)["code"]) == (404, -32601)


def test_get_and_delete_are_not_allowed(client: Client) -> None:
    for method in ("GET", "DELETE"):
        reply = answer(client.http(method, headers={"mcp-protocol-version": MODERN}))
        assert reply.status == 405
        assert dict(reply.headers)["Allow"] == "POST"


def test_batches_are_rejected_and_notifications_accepted(client: Client) -> None:
    headers = {"mcp-protocol-version": MODERN}
    assert client.post([request("tools/list")], headers).status == 400
    assert client.post(notification("notifications/cancelled"), headers).status == 202


def test_input_request_ends_call_and_responses_restart_it(client: Client) -> None:
    client.catalog.add_tool(GREET)
    params: dict[str, Any] = {"name": "greet", "arguments": {"x": 1}}
    first = result(answer(client.modern("tools/call", params)))
    assert first["resultType"] == "input_required"
    assert first["inputRequests"]["elicitation"]["params"]["message"] == "First name?"
    assert not client.clock.advance(0)
    assert not client.running
    params |= {
        "requestState": first["requestState"],
        "inputResponses": {"elicitation": said("Ada")},
    }
    second = result(answer(client.modern("tools/call", params)))
    ((name, asked),) = second["inputRequests"].items()
    assert asked["params"]["message"] == "Last name?"
    params |= {"requestState": second["requestState"], "inputResponses": {name: said("L.")}}
    last = result(answer(client.modern("tools/call", params)))
    assert last["content"][0]["text"] == "Hello, Ada L.."
    client.clock.advance(1)
    assert not client.running


def test_request_state_is_bound_to_principal_request_and_time(client: Client) -> None:
    client.catalog.add_tool(GREET)
    params: dict[str, Any] = {"name": "greet", "arguments": {}}
    state = result(answer(client.modern("tools/call", params)))["requestState"]

    def code(**changes: Any) -> Any:
        reply = answer(client.modern("tools/call", params | {"requestState": state} | changes))
        return json.loads(reply.body).get("error", {}).get("code")

    assert code() is None
    assert code(arguments={"other": 1}) == -32602
    assert code(requestState=state[:-2] + "AA") == -32602
    assert code(requestState="x" + state) == -32602
    assert code(requestState=5) == -32602
    client.principal = "mallory"
    assert code() == -32602


@pytest.mark.parametrize("brought", [5, "x", [], {"elicitation": 5}, {"elicitation": {"a": 1}}])
def test_invalid_input_responses_are_rejected(client: Client, brought: Any) -> None:
    client.catalog.add_tool(GREET)
    params = {"name": "greet", "arguments": {}, "inputResponses": brought}
    assert error(answer(client.modern("tools/call", params)))["code"] == -32602


def test_unrequested_input_responses_are_ignored(client: Client) -> None:
    client.catalog.add_tool(GREET)
    params = {"name": "greet", "arguments": {}, "inputResponses": {"other": said("x")}}
    found = result(answer(client.modern("tools/call", params)))
    assert found["resultType"] == "input_required"


def test_input_request_without_client_capability_is_an_error(client: Client) -> None:
    client.catalog.add_tool(GREET)
    params = {"name": "greet", "arguments": {}}
    for capabilities in ({}, {"sampling": {}}, {"elicitation": {"url": {}}}):
        meta = {f"{META}clientCapabilities": capabilities}
        reply = answer(client.modern("tools/call", params, meta=meta))
        found = error(reply)
        assert (reply.status, found["code"]) == (400, -32021)
        assert found["data"] == {"requiredCapabilities": {"elicitation": {}}}


def test_prompt_can_request_input(client: Client) -> None:
    async def write(arguments: Any, context: Any) -> str:
        return str((await context.elicit("Who?", NAME))["content"]["name"])

    client.catalog.add_prompt(Prompt("write", "Writes.", write))
    first = result(answer(client.modern("prompts/get", {"name": "write"})))
    assert first["resultType"] == "input_required"
    params = {
        "name": "write",
        "inputResponses": {"elicitation": said("Ada")},
        "requestState": first["requestState"],
    }
    found = result(answer(client.modern("prompts/get", params)))
    assert found["messages"][0]["content"]["text"] == "Ada"


def test_disconnect_cancels_call(client: Client) -> None:
    cancelled = []

    def slow(arguments: Any, context: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        waiting.addErrback(lambda f: cancelled.append(f.check(CancelledError)) or f)
        context.progress(1)
        return waiting

    client.catalog.add_tool(Tool("slow", "", slow))
    params = {"name": "slow", "arguments": {}}
    silent = client.modern("tools/call", params)
    silent.addErrback(lambda f: f.trap(CancelledError) and None)
    silent.cancel()
    reader = Reader(answer(client.modern("tools/call", params, meta={"progressToken": 1})))
    assert reader.messages[0]["method"] == "notifications/progress"
    reader.leave()
    assert cancelled == [CancelledError, CancelledError]
    assert not client.running


def test_logs_are_sent_on_request_only(client: Client) -> None:
    def talk(arguments: Any, context: Any) -> str:
        for level in ("debug", "error"):
            context.log(level, level)
        return "done"

    client.catalog.add_tool(Tool("talk", "", talk))
    params = {"name": "talk", "arguments": {}}
    assert answer(client.modern("tools/call", params)).stream is None
    meta = {f"{META}logLevel": "info"}
    reader = Reader(answer(client.modern("tools/call", params, meta=meta)))
    assert [m.get("params", {}).get("data") for m in reader.messages] == ["error", None]
    assert "id:" not in reader.raw.decode()  # there is no coming back here


def test_changes_are_sent_for_subscribed_kinds(client: Client) -> None:
    def listen(id: str, **wanted: Any) -> Reader:  # noqa: A002
        return Reader(
            answer(client.modern("subscriptions/listen", {"notifications": wanted}, id=id))
        )

    tools = listen("a", toolsListChanged=True, other=True)
    one = listen("b", resourceSubscriptions=["test://one"], promptsListChanged=False)
    acknowledged = tools.messages[0]
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
    client.catalog.add_tool(ECHO)
    client.catalog.add_prompt(Prompt("p", "", lambda a, c: ""))
    for uri in ("test://one", "test://two"):
        client.catalog.resource_updated(uri)
    client.clock.advance(1)
    assert [m["method"] for m in tools.messages[1:]] == ["notifications/tools/list_changed"]
    assert [m["params"].get("uri") for m in one.messages[1:]] == ["test://one"]
    for reader, id in ((tools, "a"), (one, "b")):  # noqa: A001
        for message in reader.messages:
            assert message["params"]["_meta"] == {f"{META}subscriptionId": id}
    one.leave()
    client.endpoint.stop()
    assert tools.messages[-1]["id"] == "a"
    assert tools.messages[-1]["result"]["_meta"][f"{META}subscriptionId"] == "a"
    assert tools.is_over
    assert client.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        [],
        {"resourceSubscriptions": "x"},
        {"resourceSubscriptions": ["x" * 5000]},
        {"resourceSubscriptions": [f"{n}{'x' * 4000}" for n in range(50)]},
    ],
)
def test_invalid_subscription_filter_is_rejected(client: Client, wanted: Any) -> None:
    reply = answer(client.modern("subscriptions/listen", {"notifications": wanted}))
    assert (reply.status, error(reply)["code"]) == (400, -32602)


def test_structured_content_may_be_any_value(client: Client) -> None:
    schema = {"type": "object"}
    client.catalog.add_tool(
        Tool("list", "", lambda a, c: [1, 2], schema, output_schema={"type": "array"})
    )
    client.catalog.add_tool(
        Tool("wrong", "", lambda a, c: {"a": 1}, schema, output_schema={"type": "array"})
    )
    client.catalog.add_tool(Tool("own", "", lambda a, c: ToolResult(structured={"a": 1}), schema))

    def call(name: str) -> dict[str, Any]:
        return result(answer(client.modern("tools/call", {"name": name, "arguments": {}})))

    assert call("list")["structuredContent"] == [1, 2]
    assert call("list")["content"] == [{"type": "text", "text": "[1,2]"}]
    assert call("wrong")["isError"] is True
    assert call("own")["structuredContent"] == {"a": 1}
    client.initialize()
    old = client.ask("tools/call", {"name": "list", "arguments": {}})["result"]
    assert "structuredContent" not in old  # it was an object up to 2025-11-25
    listed = {one["name"]: one for one in client.ask("tools/list")["result"]["tools"]}
    assert "outputSchema" not in listed["list"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 100_000, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
        (b"[]", -32600),
        (b"5", -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602),
    ],
)
def test_invalid_message_is_rejected(client: Client, body: bytes, code: int) -> None:
    reply = client.post(body)
    assert (reply.status, error(reply)["code"]) == (400, code)


def test_other_content_types_are_rejected(client: Client) -> None:
    assert client.post(request("ping"), {"content-type": "text/plain"}).status == 415
    assert client.post(request("ping"), {"accept": "text/html"}).status == 406
