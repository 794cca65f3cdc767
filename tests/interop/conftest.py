"""A gateway with the simulator behind it, and every SDK that is installed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.anthropic_driver import Messages
from tests.interop.genai_driver import GenAI
from tests.interop.openai_chat_driver import Chat
from tests.interop.openai_responses_driver import Responses
from tests.interop.sdk_drivers import SdkDriver

try:
    from tests.interop.generativeai_driver import GenerativeAI
except ModuleNotFoundError:  # the previous generation is tested without it
    OLDER: tuple[SdkDriver, ...] = ()
else:
    OLDER = (GenerativeAI(),)

try:
    from tests.interop.interactions_driver import Interactions
except ImportError:  # the previous generation speaks them otherwise
    NEWEST: tuple[SdkDriver, ...] = ()
else:
    NEWEST = (Interactions(),)

DRIVERS: dict[str, SdkDriver] = {
    each.name: each for each in (Chat(), Responses(), Messages(), GenAI(), *NEWEST, *OLDER)
}
TWISTD = Path(sys.executable).with_name("twistd")
STARTS_WITHIN = 30.0


def pytest_configure(config: pytest.Config) -> None:
    # The SDKs are not ours: what they warn about is not for these tests to judge.
    config.addinivalue_line("markers", "sdks(*names): the SDKs that a test is run with")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``sdk`` with all SDKs, or with those that its marker names."""
    if "sdk" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("sdks")
    names = [name for name in marker.args if name in DRIVERS] if marker else list(DRIVERS)
    metafunc.parametrize("sdk", [DRIVERS[name] for name in names], ids=names)


def _is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=STARTS_WITHIN).close()
    except OSError:
        return False
    return True


def _started(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return where a gateway listens, once it is ready."""
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"the gateway ended:\n{log.read_text()}")
        said = re.search(r"listening on (http://[\d.:]+)", log.read_text())
        if said and _is_ready(said[1]):
            return said[1]
        time.sleep(0.05)
    pytest.fail(f"the gateway did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway with the simulator inside.

    ``ANTIGRAVITY_TEST_URL`` names one that runs already; otherwise one is started as people
    start it, and must end well and without a traceback in its log.
    """
    running = os.environ.get("ANTIGRAVITY_TEST_URL")
    if running:
        yield running
        return
    home = tmp_path_factory.mktemp("gateway")
    log = home / "log"
    command: list[Any] = [TWISTD, "-n", "--pidfile=", "antigravity", "--demo"]
    command += ["--port", "0", "--home", home]
    # Nobody has to see the pauses between attempts, and no account is waited for.
    scheduling = "ANTIGRAVITY_PROXY__SCHEDULING__"
    quick = {f"{scheduling}RETRY_PAUSE": "0.01", f"{scheduling}MAX_WAIT_SECONDS": "0"}
    told = {"ANTIGRAVITY_PROXY__DEBUG_HEADERS": "true"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={**os.environ, **quick, **told},
        )
        try:
            yield _started(process, log)
        finally:
            process.terminate()
            try:
                code = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    said = log.read_text()
    assert code in (0, -signal.SIGTERM), said[-5000:]  # twistd ends as the signal would have it
    assert "the gateway has stopped" in said, said[-5000:]
    assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:5000]
    assert "Unhandled" not in said, said[said.index("Unhandled") - 500 :][:5000]
