"""Real clients call a tool that the gateway offers over MCP, through the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS
from tests.support.mcp_processes import offering_everything

#: What the tool says, which is then the answer.
ANSWER = "This is a simple text response for testing."
TOOL = "test_simple_text"
PROXIES = ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with offering_everything(tmp_path_factory.mktemp("everything")) as address:
        yield address


def test_claude_code_calls_tools(claude: Driver, gateways: Gateways, url: str) -> None:
    config = claude.work / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"ag": {"type": "http", "url": url}}}))
    options = ("--model", "claude-sonnet-5", "--mcp-config", str(config), "--strict-mcp-config")
    address = gateways("anthropic").address
    answer = claude.ask(address, f"[[tool mcp__ag__{TOOL} {{}}]]", *options)
    assert ANSWER in answer.out, answer.output


def test_codex_calls_tools(codex: Driver, gateways: Gateways, url: str) -> None:
    # Newer models have to search for tools first.
    options = ("-m", "gpt-4.1", "-c", f'mcp_servers.ag.url="{url}"')
    prompt = f"[[tool {TOOL} {{}}]]"
    answer = codex.ask(gateways("responses").address, prompt, *options)
    assert ANSWER in answer.out, answer.output


@pytest.mark.parametrize("target", TARGETS)
def test_codex_calls_tools_that_it_has_found(
    codex: Driver, gateways: Gateways, url: str, target: str
) -> None:
    name = TOOL if target == "responses" else f"mcp__ag__{TOOL}"
    search = json.dumps({"query": f"{TOOL} ag"})
    prompt = f"[[tool tool_search {search}]][[then]][[tool {name} {{}}]]"
    options = ("-c", f'mcp_servers.ag.url="{url}"')
    answer = codex.ask(gateways(target).address, prompt, *options)
    assert ANSWER in answer.out, answer.output


def test_gemini_cli_calls_tools(gemini: Driver, gateways: Gateways, url: str) -> None:
    folder = gemini.work / ".gemini"
    folder.mkdir()
    servers = {"mcpServers": {"ag": {"httpUrl": url, "trust": True}}}
    (folder / "settings.json").write_text(json.dumps(servers))
    prompt = f"[[tool mcp_ag_{TOOL} {{}}]]"
    # It cannot read answers of MCP servers where NO_PROXY is set, on the newest Node.
    direct = dict.fromkeys(PROXIES, "")
    address = gateways("gemini").address
    answer = gemini.ask(address, prompt, "-m", "gemini-3-flash", **direct)
    assert ANSWER in answer.out, answer.output


def test_opencode_calls_tools(opencode: Driver, gateways: Gateways, url: str) -> None:
    settings = {"mcp": {"ag": {"type": "remote", "url": url, "enabled": True}}}
    (opencode.work / "opencode.json").write_text(json.dumps(settings))
    prompt = f"[[tool ag_{TOOL} {{}}]]"
    # Anthropic takes no tools with alternatives at the top, of which there is one.
    address = gateways("gemini").address
    answer = opencode.ask(address, prompt, "--model", "anthropic/claude-sonnet-5")
    assert ANSWER in answer.out, answer.output
