"""Fixtures: one simulator for all, one gateway for each upstream protocol, fresh clients."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.drivers import ClaudeCode, Codex, Driver, GeminiCli, OpenCode
from tests.clients.libraries import LibraryGateways
from tests.clients.matrix import Matrix
from tests.clients.servers import EVERY_TARGET, TARGETS, Gateway, Simulator
from tests.support.npm import UnavailableError

#: Gives the gateway before an upstream protocol.  With ``fallback`` only names that the
#: upstream does not have are sent to another model.  A ``fresh`` one is for this test alone:
#: after errors of an upstream a gateway remembers for a while that its account failed.
#: ``more`` is added to the configuration of one for this test alone.
Gateways = Callable[..., Gateway]

MATRIX = Matrix()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a test with one upstream."""
    report = yield
    callspec = getattr(item, "callspec", None)
    target = callspec.params.get("target") if callspec is not None else None
    if target in TARGETS and report.when == "call" and not report.skipped:
        client = Path(item.path).stem.removeprefix("test_").replace("_", " ")
        MATRIX.add(callspec.params.get("name", client), target, report.passed)
    return report


def pytest_runtest_logreport(report: Any) -> None:
    """Count a subtest that names its client and its upstream."""
    shown = getattr(getattr(report, "context", None), "kwargs", {})
    if "client" in shown and "target" in shown and not report.skipped:
        client, target = (literal_eval(shown[name]) for name in ("client", "target"))
        MATRIX.add(client, target, report.passed)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many cases of each client passed over each upstream protocol."""
    lines = MATRIX.lines()
    if lines:
        terminalreporter.section("cases that passed, by client and upstream protocol")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The simulator."""
    simulator = Simulator(tmp_path_factory.mktemp("simulator") / "run")
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(upstreams: Simulator) -> Simulator:
    """The simulator, with nothing in its memory of requests."""
    upstreams.forget()
    return upstreams


@pytest.fixture(scope="session")
def library_gateways(
    tmp_path_factory: pytest.TempPathFactory, upstreams: Simulator
) -> Iterator[LibraryGateways]:
    """A gateway for each upstream protocol, with a key and an exhausted account."""
    gateways = LibraryGateways(tmp_path_factory.mktemp("libraries"), upstreams.address)
    yield gateways
    gateways.stop()


@pytest.fixture(scope="session")
def started(
    tmp_path_factory: pytest.TempPathFactory, upstreams: Simulator
) -> Iterator[dict[tuple[str, bool], Gateway]]:
    """The gateways that are running."""
    running: dict[tuple[str, bool], Gateway] = {}
    yield running
    for gateway in running.values():
        gateway.stop()


@pytest.fixture
def gateways(
    tmp_path_factory: pytest.TempPathFactory,
    simulator: Simulator,
    started: dict[tuple[str, bool], Gateway],
) -> Iterator[Gateways]:
    """Start gateways when they are first asked for."""
    alone: list[Gateway] = []

    def start(target: str, fallback: bool, more: str = "") -> Gateway:
        folder = tmp_path_factory.mktemp(f"gateway-{target}") / "run"
        return Gateway(folder, EVERY_TARGET[target], simulator.address, fallback, more)

    def get(target: str, *, fallback: bool = False, fresh: bool = False, more: str = "") -> Gateway:
        if fresh or more:
            alone.append(start(target, fallback, more))
            return alone[-1]
        if (target, fallback) not in started:
            started[target, fallback] = start(target, fallback)
        gateway = started[target, fallback]
        gateway.arrivals()
        return gateway

    yield get
    for gateway in alone:
        gateway.stop()


def _made(make: Callable[[], Driver]) -> Driver:
    try:
        return make()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def claude(tmp_path: Path) -> Driver:
    """Claude Code."""
    return _made(lambda: ClaudeCode(tmp_path))


@pytest.fixture
def codex(tmp_path: Path) -> Driver:
    """Codex with a provider of its own."""
    return _made(lambda: Codex(tmp_path))


@pytest.fixture
def codex_builtin(tmp_path: Path) -> Driver:
    """Codex with its built-in provider."""
    return _made(lambda: Codex(tmp_path, builtin=True))


@pytest.fixture
def codex_websocket(tmp_path: Path) -> Driver:
    """Codex with a provider of its own that serves WebSocket."""
    return _made(lambda: Codex(tmp_path, websocket=True))


@pytest.fixture
def codex_code_mode(tmp_path: Path) -> Driver:
    """Codex with a model that writes programs in place of tool calls."""
    return _made(lambda: Codex(tmp_path, "gpt-6.1-sol"))


@pytest.fixture
def gemini(tmp_path: Path) -> Driver:
    """Gemini CLI."""
    return _made(lambda: GeminiCli(tmp_path))


@pytest.fixture
def opencode(tmp_path: Path) -> Driver:
    """opencode."""
    return _made(lambda: OpenCode(tmp_path))
