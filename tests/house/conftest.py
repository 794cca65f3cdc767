"""What several of these tests need and what takes long: the demo, and the distribution, built."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.house.new_user import User
from tests.house.wheel import Built, build, copy_source
from tests.support.gateway_process import running

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the demo as ``make run`` does where nothing is configured; give its address."""
    folder = tmp_path_factory.mktemp("demo")
    (line,) = re.findall(r"^\t.*twistd(.*)$", MAKEFILE.read_text("utf-8"), re.MULTILINE)
    arguments = shlex.split(line.replace("$(PORT)", "0"))
    assert arguments[-1] == "--demo-if-empty"
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    with running((twistd, *arguments), folder / "home", folder) as gateway:
        yield gateway.address()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a simulator, and return its address."""
    folder = tmp_path_factory.mktemp("simulator")
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    command = (twistd, "-n", "--pidfile=", "antigravity-simulator", "--port", "0")
    with running(command, folder / "home", folder) as process:
        yield "http://127.0.0.1:" + process.wait_for_log(r"Site starting on (\d+)")


@pytest.fixture
def user(tmp_path: Path, simulator: str) -> Iterator[User]:
    with ExitStack() as stack:
        yield User(tmp_path, simulator, stack)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source."""
    return copy_source(tmp_path_factory.mktemp("source") / "antigravity")


@pytest.fixture(scope="session")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the distribution."""
    return build(source, tmp_path_factory.mktemp("dist"))
