"""Pages of tools (MCP Apps): of plugins, and of other servers through federation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from antigravity.interfaces.mcp_values import Contents, Embedded, ResourceLink, ToolResult
from antigravity.mcp.function_objects import Resource, Tool
from antigravity.mcp.protocol import ui
from antigravity.mcp.protocol.messages import parse_responses
from tests.mcp.endpoint_transport import EndpointTransport, federated
from tests.mcp.fixtures import META, Client, answer, error, result

UI = "io.modelcontextprotocol/ui"
HTML = "text/html;profile=mcp-app"
PAGE = "ui://clock/page.html"
CSP = {"csp": {"connectDomains": ["https://api.example.org"]}, "prefersBorder": True}
WITH_PAGES = {f"{META}clientCapabilities": {"extensions": {UI: {"mimeTypes": [HTML]}}}}


def clock_tools() -> tuple[Tool, ...]:
    """Return a tool with a page, one that only its page may call, and one that it may not."""

    def show(arguments: Mapping[str, Any], context: Any) -> ToolResult:
        page = Contents("<p>", PAGE, HTML)
        content = ("12:00", ResourceLink(PAGE, "page"), Embedded(page))
        return ToolResult(content, meta={"ui": {"resourceUri": PAGE}, "own": 1})

    def meta(**more: Any) -> dict[str, Any]:
        return {"ui": {"resourceUri": PAGE, **more}}

    return (
        Tool("show", "Shows the time.", show, meta={**meta(), "openai/outputTemplate": PAGE}),
        Tool("refresh", "", lambda a, c: "12:01", meta=meta(visibility=["app"])),
        Tool("set", "", lambda a, c: "set", meta=meta(visibility=["model"])),
    )


def clock_page(uri: str = PAGE) -> Resource:
    return Resource(
        uri,
        "clock",
        lambda uri, context: Contents("<!doctype html>" + "x" * 100_000, "", "", {"ui": CSP}),
        mime_type=HTML,
        meta={"ui": CSP},
    )


class PageClient(Client):
    """A client of a gateway, and the server with pages behind it."""

    def __init__(self, *, modern: bool = True, name: str = "far") -> None:
        super().__init__()
        self.servers: list[Any] = []
        self.remotes: list[Client] = []
        self.add_server(name, modern=modern)

    def add_server(self, name: str, *, modern: bool = True) -> Client:
        remote = Client(clock=self.clock)
        for tool in clock_tools():
            remote.catalog.add_tool(tool)
        remote.catalog.add_resource(clock_page())
        server = federated(name, self.clock, EndpointTransport(remote.endpoint), modern=modern)
        assert server.state == "ready", server.reason
        self.endpoint.registry.add(server.catalog)
        self.servers.append(server)
        self.remotes.append(remote)
        return remote

    def send(self, method: str, *, pages: bool = True, **params: Any) -> Any:
        meta = WITH_PAGES if pages else {f"{META}clientCapabilities": {}}
        return answer(self.modern(method, params, meta=meta))

    def tools(self, *, pages: bool = True) -> dict[str, Any]:
        found = result(self.send("tools/list", pages=pages))["tools"]
        return {tool["name"]: tool for tool in found}

    def stop(self) -> None:
        self.endpoint.stop()
        for server in self.servers:
            server.stop()
        for remote in self.remotes:
            remote.endpoint.stop()
        self.clock.advance(0)


@pytest.fixture(params=["2026-07-28", "2025-11-25"])
def client(request: pytest.FixtureRequest) -> Iterator[PageClient]:
    client = PageClient(modern=request.param == "2026-07-28")
    client.tools()
    client.clock.pump([0.1] * 5)  # the server learns that a client shows pages
    yield client
    client.stop()


def test_page_of_tool_is_readable_at_its_address(client: PageClient) -> None:
    show = client.tools()["far__show"]
    address = show["_meta"]["ui"]["resourceUri"]
    assert address == "ui://far/clock/page.html"
    assert show["_meta"]["openai/outputTemplate"] == address
    (listed,) = result(client.send("resources/list"))["resources"]
    assert (listed["uri"], listed["mimeType"], listed["_meta"]) == (address, HTML, {"ui": CSP})
    (read,) = result(client.send("resources/read", uri=address))["contents"]
    assert (read["uri"], read["mimeType"], read["_meta"]) == (address, HTML, {"ui": CSP})
    assert len(read["text"]) > 100_000


def test_addresses_in_results_are_consistent(client: PageClient) -> None:
    found = result(client.send("tools/call", name="far__show", arguments={}))
    address = "ui://far/clock/page.html"
    _, link, embedded = found["content"]
    assert link["uri"] == embedded["resource"]["uri"] == address
    assert found["_meta"]["ui"]["resourceUri"] == address
    assert found["_meta"]["own"] == 1


def test_page_in_no_list_is_readable(client: PageClient) -> None:
    remote = client.remotes[0]
    hidden = clock_page("ui://clock/hidden")
    remote.endpoint.registry.catalogs[0].set_resources([hidden])  # type: ignore[attr-defined]
    client.clock.pump([0.1] * 5)
    client.servers[0].catalog.set_resources([])
    assert result(client.send("resources/list"))["resources"] == []
    read = result(client.send("resources/read", uri="ui://far/clock/hidden"))
    assert read["contents"][0]["uri"] == "ui://far/clock/hidden"
    for unknown in ("ui://far/clock/unknown", "ui://clock/hidden", "ui://near/clock/hidden"):
        assert error(client.send("resources/read", uri=unknown))["code"] == -32602


def test_pages_of_servers_with_equal_addresses_do_not_mix(client: PageClient) -> None:
    other = client.add_server("near")
    other.catalog.set_resources([Resource(PAGE, "", lambda u, c: "near", mime_type=HTML)])
    client.clock.pump([0.1] * 5)
    tools = client.tools()
    pages = [tools[f"{name}__show"]["_meta"]["ui"]["resourceUri"] for name in ("far", "near")]
    assert len(set(pages)) == 2
    read = result(client.send("resources/read", uri=pages[1]))
    assert read["contents"][0]["text"] == "near"


def test_tool_for_pages_is_hidden_from_other_clients(client: PageClient) -> None:
    assert set(client.tools()) == {"far__show", "far__refresh", "far__set"}
    assert client.tools()["far__refresh"]["_meta"]["ui"]["visibility"] == ["app"]
    assert set(client.tools(pages=False)) == {"far__show", "far__set"}
    reply = client.send("tools/call", pages=False, name="far__refresh", arguments={})
    assert error(reply) == {"code": -32602, "message": "Unknown tool: far__refresh"}
    assert result(client.send("tools/call", name="far__refresh", arguments={}))["isError"] is False


def test_page_calls_tool_by_its_name_at_the_server(client: PageClient) -> None:
    found = result(client.send("tools/call", name="refresh", arguments={}))
    assert found["content"][0]["text"] == "12:01"
    for name, pages in (("set", True), ("refresh", False), ("unknown", True)):
        reply = client.send("tools/call", pages=pages, name=name, arguments={})
        assert error(reply)["message"] == f"Unknown tool: {name}"


def test_name_that_several_servers_with_pages_have_is_refused(client: PageClient) -> None:
    client.add_server("near")
    client.tools()
    client.clock.pump([0.1] * 5)
    message = error(client.send("tools/call", name="refresh", arguments={}))["message"]
    assert "far__refresh, near__refresh" in message


def test_change_of_page_is_announced_under_its_address(client: PageClient) -> None:
    heard: list[Any] = []
    client.endpoint.registry.watch(heard.append)
    note = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}
    session = client.servers[0]._session
    message = {**note, "params": {"uri": PAGE}}
    session._received(parse_responses(json.dumps(message).encode())[0], None)
    assert heard[-1].uri == "ui://far/clock/page.html"


# -- declaring to servers --


class Declared:
    """What a server is told of its client, with each request or in ``initialize``."""

    def __init__(self, *, modern: bool) -> None:
        self.client = PageClient(modern=modern)
        self.seen: list[tuple[str, bool]] = []
        endpoint = self.client.remotes[0].endpoint
        original = endpoint.handle

        def handle(call: Any) -> Any:
            if call.body:
                message = json.loads(call.body)
                params = message.get("params") or {}
                own = (params.get("_meta") or {}).get(f"{META}clientCapabilities")
                declared = own if own is not None else params.get("capabilities")
                if declared is not None:
                    self.seen.append((message["method"], UI in declared.get("extensions", {})))
            return original(call)

        endpoint.handle = handle  # type: ignore[method-assign]


def test_modern_server_hears_of_pages_when_a_client_shows_them() -> None:
    declared = Declared(modern=True)
    client = declared.client
    client.tools(pages=False)
    client.send("tools/call", pages=False, name="far__show", arguments={})
    assert declared.seen == [("tools/call", False)]
    assert set(client.tools(pages=False)) == {"far__show", "far__set"}
    client.tools()
    client.clock.pump([0.1] * 5)
    assert ("tools/list", True) in declared.seen
    declared.seen.clear()
    client.tools()
    assert declared.seen == []  # once is enough
    client.send("tools/call", pages=False, name="far__show", arguments={})
    client.send("tools/call", name="far__show", arguments={})
    assert declared.seen == [("tools/call", False), ("tools/call", True)]
    client.stop()


def test_unused_session_is_replaced_to_declare_pages() -> None:
    declared = Declared(modern=False)
    declared.client.tools()
    declared.client.clock.pump([0.1] * 5)
    assert declared.seen == [("initialize", True)]
    assert declared.client.servers[0].state == "ready"
    assert "far__refresh" in declared.client.tools()
    declared.client.stop()


def test_used_session_is_kept_until_it_ends() -> None:
    declared = Declared(modern=False)
    client, server = declared.client, declared.client.servers[0]
    client.send("tools/call", pages=False, name="far__show", arguments={})
    client.tools()
    client.clock.pump([0.1] * 5)
    assert declared.seen == []
    server.session_lost(server._session, "it ended")
    client.clock.pump([0.1] * 5)
    assert declared.seen == [("initialize", True)]
    client.stop()


def test_gateway_announces_pages() -> None:
    client = Client()
    found = result(answer(client.modern("server/discover")))
    assert UI in found["capabilities"]["extensions"]


# -- plugins --


def test_plugin_can_offer_tool_with_page() -> None:
    client = Client()
    for tool in clock_tools():
        client.catalog.add_tool(tool)
    client.catalog.add_resource(clock_page())
    listed = result(answer(client.modern("tools/list", meta=WITH_PAGES)))["tools"]
    assert listed[0]["_meta"]["ui"]["resourceUri"] == PAGE
    assert [tool["name"] for tool in listed] == ["show", "refresh", "set"]
    plain = result(answer(client.modern("tools/list")))["tools"]
    assert [tool["name"] for tool in plain] == ["show", "set"]
    read = result(answer(client.modern("resources/read", {"uri": PAGE}, meta=WITH_PAGES)))
    assert read["contents"][0]["_meta"] == {"ui": CSP}


@pytest.mark.parametrize("uri", ["test://x", "ui:x", "https://ui/"])
def test_other_addresses_are_unchanged(uri: str) -> None:
    assert ui.prefixed("far", uri) == uri
    assert ui.original("far", uri) == uri


@pytest.mark.parametrize("meta", [None, 1, {}, {"ui": 1}, {"ui": {"visibility": "app"}}])
def test_malformed_meta_restricts_nothing(meta: Any) -> None:
    assert ui.is_visible_to("model", meta)
    assert ui.is_visible_to("app", meta)
