"""The command line of the simulator and its service."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import TestCase

import antigravity.simulator
from antigravity.simulator.tap import Options, make_service

PACKAGE = Path(antigravity.simulator.__file__).parent


class SimulatorServiceTests(TestCase):
    def options(self, *arguments: str) -> Options:
        """Return the options of a command line."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def test_default_endpoint_is_loopback(self) -> None:
        memory = MemoryReactorClock()
        make_service(memory, self.options()).startService()
        assert [(server[0], server[3]) for server in memory.tcpServers] == [(9045, "127.0.0.1")]
        memory = MemoryReactorClock()
        arguments = ("--listen", "tcp:1:interface=127.0.0.1", "--listen", "tcp:2")
        make_service(memory, self.options(*arguments)).startService()
        assert [server[0] for server in memory.tcpServers] == [1, 2]

    def test_invalid_port_is_refused(self) -> None:
        with pytest.raises(UsageError):
            self.options("--port", "70000")

    @inlineCallbacks
    def test_service_starts_and_stops(self) -> Any:
        probe = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(_RequestStub())
        number = probe.getHost().port
        yield probe.stopListening()
        service = make_service(reactor, self.options("--port", str(number)))
        service.startService()
        yield service.stopService()

    @inlineCallbacks
    def test_occupied_port_fails_the_start_and_closes_all_ports(self) -> Any:
        taken = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(_RequestStub())
        number = taken.getHost().port
        failures: list[int] = []
        options = self.options("--listen", "tcp:0:interface=127.0.0.1", "--listen", f"tcp:{number}")
        service = make_service(reactor, options, lambda: failures.append(1))
        yield service.startService()
        yield taken.stopListening()
        assert failures == [1]
        yield service.stopService()


class _RequestStub:
    noisy = False

    def doStart(self) -> None:
        """Start nothing."""

    def doStop(self) -> None:
        """Stop nothing."""


def test_simulator_imports_nothing_of_the_gateway() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                if name.startswith("antigravity"):
                    known = (
                        "antigravity.simulator",
                        "antigravity.version",
                        "antigravity.daemon.exit_code",
                    )
                    assert name.startswith(known), (path, name)
                assert not name.startswith("treq"), (path, name)


def test_every_directive_is_documented() -> None:
    text = antigravity.simulator.__doc__ or ""
    source = (PACKAGE / "directives.py").read_text()
    match = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Match))
    arguments = {
        node.value
        for case in match.cases
        for node in ast.walk(case.pattern)
        if isinstance(node, ast.Constant)
    }
    assert {"say", "tool", "garbage"} <= arguments
    for word in arguments | {"then"}:
        assert f"[[{word}" in text
