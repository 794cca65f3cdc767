"""The example plugin, installed beside the gateway as a stranger would do it."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.wheel import ROOT, TWISTD, Built, Environment, build, install, make_environment
from tests.support.gateway_process import Running, get, running

EXAMPLE = ROOT / "examples" / "antigravity-plugin-example"
MODEL = "real/claude-sonnet-4-5"


@pytest.fixture(scope="module")
def environment(
    built: Built, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Return an environment with gateway and plugin, each from its wheel."""
    made = make_environment(tmp_path_factory.mktemp("example"))
    folder = source / EXAMPLE.relative_to(ROOT)
    plugin = build(folder, tmp_path_factory.mktemp("example-dist"))
    install(made, built.wheel, plugin.wheel)
    return made


@pytest.fixture(scope="module")
def simulator(environment: Environment) -> Iterator[str]:
    command = (str(environment.python), "-c", TWISTD, "-n", "--pidfile=", "antigravity-simulator")
    home = environment.neutral / "none"
    with running((*command, "--port", "0"), home, environment.neutral) as server:
        port = server.wait_for_log(r"Site starting on (\d+)")
        yield f"http://127.0.0.1:{port}"
        server.stop()


class Gateway:
    """A running gateway and the file that configures it."""

    def __init__(self, process: Running, home: Path) -> None:
        self._process = process
        self._file = home / "antigravity.toml"
        self.address = process.address()

    def configure(self, text: str) -> None:
        """Write the configuration, and wait until it is in use."""
        before = self._process.log.count("serving with the new configuration")
        self._file.write_text(text)
        self._process.process.send_signal(signal.SIGHUP)
        give_up = time.monotonic() + 20
        while self._process.log.count("serving with the new configuration") == before:
            assert time.monotonic() < give_up, self._process.log
            time.sleep(0.02)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any, str]:
        """Return status, headers and text of an answer."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            f"{self.address}{path}", data, {"Content-Type": "application/json", **named}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def chat(self, prompt: str, model: str = MODEL, **headers: str) -> tuple[int, Any, str]:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": model, "messages": messages}
        return self.post("/v1/chat/completions", body, **headers)

    def mcp(self, method: str, **params: Any) -> Any:
        """Return the answer to one MCP request of a client without a session."""
        prefix = "io.modelcontextprotocol/"
        meta = {
            f"{prefix}protocolVersion": "2026-07-28",
            f"{prefix}clientInfo": {"name": "test", "version": "1"},
            f"{prefix}clientCapabilities": {},
        }
        params["_meta"] = meta
        named = {"Mcp_Name": params["name"]} if "name" in params else {}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        status, _, text = self.post(
            "/mcp",
            message,
            Accept="application/json, text/event-stream",
            MCP_Protocol_Version="2026-07-28",
            Mcp_Method=method,
            **named,
        )
        assert status == 200, text
        return json.loads(text.partition("data: ")[2] or text)


@pytest.fixture(scope="module")
def gateway(environment: Environment, simulator: str) -> Iterator[Gateway]:
    home = environment.neutral / "home"
    home.mkdir()
    (home / "antigravity.toml").write_text(configuration(simulator))
    command = (str(environment.python), "-c", TWISTD, "-n", "--pidfile=", "antigravity")
    with running((*command, "--port", "0"), home, environment.neutral) as process:
        yield Gateway(process, home)
        process.stop()
        assert "Traceback" not in process.log


def configuration(simulator: str, more: str = "") -> str:
    return f"""
[upstreams.real]
kind = "anthropic"
base_url = "{simulator}"
api_key = "sk-real"
{more}
"""


def cellar(simulator: str) -> str:
    table = f'[upstreams.below]\nkind = "cellar"\nbase_url = "{simulator}/v1"\napi_key = "sk-b"\n'
    return configuration(simulator, f'{table}[plugins.example]\nclient = "my-client"')


def test_example_plugin_parts_work_and_can_be_blocked(gateway: Gateway, simulator: str) -> None:
    gateway.configure(cellar(simulator))

    status, headers, text = gateway.post("/say/real/claude-sonnet-4-5", "[[say In plain text]]")
    assert (status, text) == (200, "In plain text\n")
    assert headers["Content-Type"].startswith("text/plain")
    status, _, text = gateway.chat("[[say From below]]", "below/gpt-4.1")
    assert json.loads(text)["choices"][0]["message"]["content"] == "From below"
    _, headers, _ = gateway.chat("Good morning!", User_Agent="my-client/1")
    assert headers["X-Warmup-Intercepted"] == "true"
    reversed_text = gateway.mcp("tools/call", name="reverse", arguments={"text": "stressed"})
    assert reversed_text["result"]["content"][0]["text"] == "desserts"
    prompt = gateway.mcp("prompts/get", name="limerick", arguments={"about": "tea"})
    assert "about tea" in prompt["result"]["messages"][0]["content"]["text"]
    visits = json.loads(get(f"{gateway.address}/example/visits"))
    assert visits["below/gpt-4.1"] == 1

    gateway.configure(configuration(simulator, '[plugins]\nblocked = ["example"]'))

    assert gateway.post("/say/real/claude-sonnet-4-5", "Hello")[0] == 404
    assert gateway.chat("Hello", "below/gpt-4.1")[0] == 404
    status, headers, _ = gateway.chat("Good morning!", User_Agent="my-client/1")
    assert (status, headers["X-Warmup-Intercepted"]) == (200, None)
    assert "reverse" not in [tool["name"] for tool in gateway.mcp("tools/list")["result"]["tools"]]
    assert "error" in gateway.mcp("prompts/get", name="limerick", arguments={"about": "tea"})
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        get(f"{gateway.address}/example/visits")
    refused.value.close()

    gateway.configure(cellar(simulator))
    assert json.loads(get(f"{gateway.address}/example/visits")) == visits, "nothing was counted"


def test_upstream_kind_of_blocked_plugin_is_rejected(
    gateway: Gateway, simulator: str, environment: Environment
) -> None:
    file = environment.neutral / "wanted.toml"
    file.write_text(f'{cellar(simulator)}\n[plugins]\nblocked = ["example"]\n')
    script = str(environment.python.with_name("antigravity"))
    done = environment.command(script, "config", "check", "--config", str(file))
    assert done.returncode == 1, done.stdout
    assert "cellar" in done.stdout + done.stderr


def test_commands_list_example_plugin(environment: Environment) -> None:
    script = str(environment.python.with_name("antigravity"))
    done = environment.command(script, "plugins", "check", "example")
    assert (done.returncode, done.stdout) == (0, "1 plugin checked, 0 problems found.\n"), done
    listed = environment.command(script, "plugins", "list", "--json")
    (example,) = (p for p in json.loads(listed.stdout)["plugins"] if p["name"] == "example")
    assert example["protocols"] == ["say"]
    assert example["mcp_tools"] == ["reverse", "countdown"]
    assert example["dashboard_pages"] == example["commands"] == ["visits"]
    assert "Show how many requests" in environment.command(script, "--help").stdout
    nowhere = environment.command(script, "visits", "--home", str(environment.neutral / "empty"))
    assert nowhere.returncode != 0
    assert "no gateway runs" in nowhere.stderr


def test_example_plugin_tests_pass(environment: Environment) -> None:
    done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests"))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
