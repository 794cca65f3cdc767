"""Fixtures that run commands in this process, on a new home."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.selectreactor import SelectReactor
from twisted.web.server import Site

from antigravity import plugins
from antigravity.cli.main import main
from antigravity.simulator.service import build_simulator
from tests.cli.builders import Point, Result, Run, Simulated


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a fresh home."""
    monkeypatch.setenv("ANTIGRAVITY_HOME", str(tmp_path / "home"))

    def run(*arguments: str, stdin: str = "", check: bool = False) -> Result:
        if "add" in arguments[:4] and not check:  # there is no network
            arguments += ("--no-check",)
        if arguments[:1] == ("doctor",) and not check:
            arguments += ("--offline",)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(arguments)
        captured = capsys.readouterr()
        assert "Veiled" not in captured.out + captured.err
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    """Run a simulator in a thread, with a reactor of its own."""
    reactor = SelectReactor()
    simulator = build_simulator(reactor)
    port = reactor.listenTCP(0, Site(simulator.resource()), interface="127.0.0.1")
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield Simulated(f"http://127.0.0.1:{port.getHost().port}", simulator)
    reactor.callFromThread(simulator.stop)
    reactor.callFromThread(reactor.stop)
    thread.join()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs plugins, by name, for one test."""

    def install(**found: Any) -> None:
        points = [Point(name, plugin) for name, plugin in found.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda *, group: points)

    install()
    return install


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIGRAVITY_HOME", str(tmp_path))
    return tmp_path
