"""Real clients call tools of other MCP servers, over HTTP and over the bridge."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Gateway, Simulator

STAND_IN = Path(__file__).parents[1] / "support" / "fake_stdio_server.py"
ECHO = '{"text": "ZEBRA-42"}'
PROXIES = ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 50).decode()


def started(folder: Path, target: str, simulator: Simulator) -> Gateway:
    """Start a gateway with a program as a server ``s``, and with the tools of z.ai."""
    seen = folder / "stand-in"
    seen.mkdir()
    zai = f"{simulator.address}/api"
    gateway = Gateway(
        folder / "run",
        TARGETS[target],
        simulator.address,
        False,
        f"[mcp.servers.s]\ncommand = {json.dumps(sys.executable)}\n"
        f"args = {json.dumps([str(STAND_IN), str(seen)])}\n"
        "[proxy.zai.mcp]\nenabled = true\nweb_search_enabled = true\nvision_enabled = true\n"
        f'api_key = "zai-key"\nweb_search_url = "{zai}/mcp/web_search_prime/mcp"\n'
        f'[mcp.vision]\nzai_url = "{zai}/paas/v4/chat/completions"\n',
    )
    gateway.wait_for("connected to the MCP server s")
    return gateway


@pytest.fixture(scope="module")
def anthropic(tmp_path_factory: pytest.TempPathFactory, upstreams: Simulator) -> Iterator[Gateway]:
    gateway = started(tmp_path_factory.mktemp("anthropic"), "anthropic", upstreams)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory, upstreams: Simulator) -> Iterator[Gateway]:
    gateway = started(tmp_path_factory.mktemp("responses"), "responses", upstreams)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory, upstreams: Simulator) -> Iterator[Gateway]:
    gateway = started(tmp_path_factory.mktemp("gemini"), "gemini", upstreams)
    yield gateway
    gateway.stop()


def ask_claude(claude: Driver, gateway: Gateway, prompt: str, **servers: Any) -> str:
    config = claude.work / "mcp.json"
    config.write_text(json.dumps({"mcpServers": servers}))
    options = ("--model", "claude-sonnet-5", "--mcp-config", str(config), "--strict-mcp-config")
    answer = claude.ask(gateway.address, prompt, *options)
    return answer.out or answer.output


def bridge(gateway: Gateway) -> dict[str, Any]:
    """Return how the bridge is started."""
    arguments = ["-m", "antigravity", "mcp", "--url", f"{gateway.address}/mcp"]
    return {"command": sys.executable, "args": arguments}


def test_claude_code_calls_tool_over_http(claude: Driver, anthropic: Gateway) -> None:
    server = {"type": "http", "url": f"{anthropic.address}/mcp"}
    said = ask_claude(claude, anthropic, f"[[tool mcp__ag__s__echo {ECHO}]]", ag=server)
    assert "ZEBRA-42" in said


def test_claude_code_calls_tool_over_bridge(claude: Driver, anthropic: Gateway) -> None:
    server = {"type": "stdio", **bridge(anthropic)}
    said = ask_claude(claude, anthropic, f"[[tool mcp__ag__s__echo {ECHO}]]", ag=server)
    assert "ZEBRA-42" in said


def test_claude_code_searches_over_relay(claude: Driver, anthropic: Gateway) -> None:
    server = {"type": "http", "url": f"{anthropic.address}/mcp/web_search_prime/mcp"}
    prompt = '[[tool mcp__search__webSearchPrime {"search_query": "otters"}]]'
    assert "About otters" in ask_claude(claude, anthropic, prompt, search=server)


def test_codex_calls_tool_over_bridge(codex: Driver, responses: Gateway) -> None:
    started_as = bridge(responses)
    options = (
        "-m",
        "gpt-4.1",
        "-c",
        f"mcp_servers.ag.command={json.dumps(started_as['command'])}",
        "-c",
        f"mcp_servers.ag.args={json.dumps(started_as['args'])}",
        "-c",
        "mcp_servers.ag.required=true",  # else it does not wait for the tools
    )
    answer = codex.ask(responses.address, f"[[tool s__echo {ECHO}]]", *options)
    assert "ZEBRA-42" in answer.out, answer.output


def test_gemini_cli_calls_tool_over_http(gemini: Driver, google: Gateway) -> None:
    folder = gemini.work / ".gemini"
    folder.mkdir()
    server = {"httpUrl": f"{google.address}/mcp", "trust": True}
    (folder / "settings.json").write_text(json.dumps({"mcpServers": {"ag": server}}))
    # It cannot read answers of MCP servers where NO_PROXY is set, on the newest Node.
    direct = dict.fromkeys(PROXIES, "")
    prompt = f"[[tool mcp_ag_s__echo {ECHO}]]"
    answer = gemini.ask(google.address, prompt, "-m", "gemini-3-flash", **direct)
    assert "ZEBRA-42" in answer.out, answer.output


def test_opencode_analyzes_image(opencode: Driver, google: Gateway) -> None:
    url = f"{google.address}/mcp/zai-mcp-server/mcp"
    settings = {"mcp": {"eyes": {"type": "remote", "url": url, "enabled": True}}}
    (opencode.work / "opencode.json").write_text(json.dumps(settings))
    arguments = {"image_source": f"data:image/png;base64,{PNG}", "prompt": "A picture of LYNX-23"}
    prompt = f"[[tool eyes_analyze_image {json.dumps(arguments)}]]"
    answer = opencode.ask(google.address, prompt, "--model", "google/gemini-3-flash")
    assert "LYNX-23" in answer.out, answer.output
    assert "zai-mcp-server" in google.log
