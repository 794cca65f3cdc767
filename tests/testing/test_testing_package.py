"""The testing kit for authors of plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.config.errors import ConfigurationError
from antigravity.hookspecs import hookimpl
from antigravity.testing import GatewayResponse, load_plugin, start_gateway

reactor: Any = default_reactor
EXAMPLE = Path(__file__).parents[2] / "examples" / "antigravity-plugin-example"


def plugin(**hooks: Any) -> Any:
    return unmarked(**{name: hookimpl(hook) for name, hook in hooks.items()})


def unmarked(**functions: Any) -> Any:
    module = ModuleType("a_plugin")
    vars(module).update(functions)
    return module


def hello(request: Any) -> bytes:
    return b"hello"


def register_routes(register: Any, settings: Any) -> None:
    register("GET", settings.get("path", "/hello"), hello)


def test_load_plugin_passes_settings() -> None:
    loaded = load_plugin(plugin(register_routes=register_routes), {"path": "/there"}, name="mine")
    assert loaded.info.name == "mine"
    assert loaded.info.registered["routes"] == ("GET /there",)
    assert "anthropic" in loaded.registry.servers


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (plugin(register_routes=lambda register: register("GET", "nowhere", hello)), "slash"),
        (plugin(register_upstreams=lambda register: register(object())), "register_upstreams"),
        (plugin(register_mcp_tools=lambda register: 1 / 0), "division by zero"),
        (unmarked(register_routes=lambda register: None), "hookimpl"),
    ],
)
def test_load_plugin_fails_for_rejected_plugin(broken: object, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        load_plugin(broken)


def test_gateway_response_decodes_events() -> None:
    answer = GatewayResponse(200, {}, b'data: {"a": 1}\n\ndata: [DONE]\n\n')
    assert answer.chunks() == [{"a": 1}]
    assert [event.data for event in answer.events()] == [b'{"a": 1}', b"[DONE]"]


class GatewayTests(TestCase):
    """A gateway in the reactor of the test."""

    def test_gateway_serves_simulator_and_plugin(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._serves())

    async def _serves(self) -> None:
        mine = plugin(register_routes=register_routes)
        gateway = await start_gateway(reactor, Path(self.mktemp()), plugins=[("mine", mine)])
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))
        body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "[[say Yes]]"}]}
        answer = await gateway.request("POST", "/v1/chat/completions", body)
        self.assertEqual(answer.json()["choices"][0]["message"]["content"], "Yes")
        self.assertEqual((await gateway.request("GET", "/hello")).text, "hello")
        await gateway.reload('[plugins.mine]\npath = "/moved"')
        self.assertEqual((await gateway.request("GET", "/hello")).status, 404)
        self.assertEqual((await gateway.request("GET", "/moved")).text, "hello")

    def test_invalid_configuration_stops_everything(self) -> Deferred[Any]:
        started = start_gateway(reactor, Path(self.mktemp()), config="[proxy]\nport = 'x'")
        return self.assertFailure(Deferred.fromCoroutine(started), ConfigurationError)


def test_example_plugin_passes_its_tests(tmp_path: Path) -> None:
    """In a process of its own: its gateways run in a thread, with the only reactor there is."""
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
            f"--junit-xml={report}",
        ],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    (suite,) = ElementTree.parse(report).getroot()
    assert int(suite.attrib["tests"]) > int(suite.attrib["skipped"])
