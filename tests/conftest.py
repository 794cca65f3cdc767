"""What all tests share."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import sdks
from tests.support.postgres import PostgresServer, running_server, why_absent
from tests.support.redis import RedisServer, running_redis
from tests.support.redis import why_absent as redis_absent

try:
    from hypothesis import settings
except ImportError:  # the environment with the previous SDKs has none
    pass
else:
    # The same examples in every run, and no clock: a busy machine is no failure.
    settings.register_profile("house", deadline=None, derandomize=True)
    settings.load_profile("house")

#: Folders whose files share processes and wheels that take long to make.
SHARING = ("tests/interop/", "tests/house/")
#: What takes longest, so that workers begin with it and end together.
FIRST = (*reversed(SHARING), "tests/workers/test_worker_processes.py")
#: Seconds of CPU time that a test takes on average, by folder; most take little.
SECONDS = {"tests/faults/": 0.6, "tests/deployment/": 0.6, "tests/context/": 0.4}
SECONDS |= {"tests/service/": 0.2, "tests/mcp/": 0.1, "tests/connect/": 0.1}
OTHERS = 0.04


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run do without the SDKs, with a share of the tests, or collect garbage."""
    parser.addoption(
        "--without-sdks", action="store_true", help="skip the tests that need a provider's SDK"
    )
    parser.addoption(
        "--share",
        default="1/1",
        metavar="NUMBER/COUNT",
        help="run only one of several equal shares of the tests of each file",
    )
    parser.addoption(
        "--collect-garbage",
        action="store_true",
        help="collect garbage after each test, and fail those that left an unhandled error in it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have stand-ins for the SDKs in a run without them, and fewer examples.

    Such a run is one more of the same tests, with another Python.
    """
    if config.getoption("--without-sdks"):
        sdks.do_without()
        settings.register_profile("fewer", settings.get_profile("house"), max_examples=25)
        settings.load_profile("fewer")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the share of each file that ``--share`` names: its tests in turn."""
    number, count = map(int, config.getoption("--share").split("/"))
    seen: Counter[Path] = Counter()
    kept, left_out = [], []
    for item in items:
        (kept if seen[item.path] % count == number - 1 else left_out).append(item)
        seen[item.path] += 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the garbage collector the tests, which stay until the end.

    It would look at them again and again: a seventh of the time of a collection.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what all tests share out of the collections, which would take long otherwise."""
    if session.config.getoption("--collect-garbage"):
        from twisted.internet.defer import setDebugging

        setDebugging(True)  # errors then tell where their Deferred was made
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that leaves a failed Deferred behind whose failure nobody has read.

    Without this a later test fails, while which the garbage happens to be collected.
    """
    yield
    if item.config.getoption("--collect-garbage"):
        from twisted.logger import LogLevel, formatEvent, globalLogPublisher

        errors: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            if event.get("log_level") is LogLevel.critical:
                failure = event.get("log_failure")
                errors.append(f"{formatEvent(event)}\n{failure.getTraceback() if failure else ''}")

        globalLogPublisher.addObserver(observe)
        gc.collect()
        globalLogPublisher.removeObserver(observe)
        if errors:
            pytest.fail("\n".join(errors), pytrace=False)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests of the SDKs themselves, in a run without them."""
    return None if sdks.are_installed() or collection_path.name != "interop" else True


@pytest.fixture(scope="session")
def with_sdks() -> None:
    """Skip a test whose other processes need the SDKs, in a run without them."""
    if not sdks.are_installed():
        sdks.skip()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole files to workers, and whole folders where their files share what they need."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return Scheduling(config, log)


def unit(nodeid: str) -> str:
    """Return the file of a test, or the folder whose files share what they need."""
    folder = next((name for name in SHARING if nodeid.startswith(name)), None)
    return folder or nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which workers get them: units that take longest come first."""
    order = {}
    for name, count in Counter(unit(item.nodeid) for item in items).items():
        each = next((each for folder, each in SECONDS.items() if name.startswith(folder)), OTHERS)
        order[name] = (FIRST.index(name) if name in FIRST else len(FIRST), -each * count, name)
    return sorted(items, key=lambda item: order[unit(item.nodeid)])


@pytest.fixture(autouse=True, scope="session")
def scratch_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in a folder of its own: trial's ``mktemp`` makes its files in the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("scratch"))
        # The developer's own gateway may run meanwhile.
        patch.setenv("ANTIGRAVITY_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True, scope="session")
def checked_admin_responses() -> Iterator[None]:
    """Fail every request of the admin API whose response is not what its route declares."""
    try:
        import msgspec

        from antigravity.web import admin_api
    except ImportError:  # the environment with the previous SDKs has no gateway
        yield
        return

    encode = admin_api.encode

    def encode_and_check(answer: Any, route: Any) -> Any:
        reply = encode(answer, route)
        if route.response is None:
            assert reply.content_type in route.media_types, reply.content_type
        elif reply.status == 200:
            value = msgspec.json.decode(reply.body, type=route.response)
            assert msgspec.to_builtins(value) == msgspec.json.decode(reply.body), route.path
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admin_api, "encode", encode_and_check)
        yield


@pytest.fixture(autouse=True)
def same_log_level() -> Iterator[None]:
    """Restore the level of the log, which gateways in this process set."""
    txaio = sys.modules.get("txaio.tx")
    before = txaio.get_global_log_level() if txaio is not None else "info"
    yield
    txaio = sys.modules.get("txaio.tx")
    if txaio is not None and txaio.get_global_log_level() != before:
        txaio.set_global_log_level(before)


@pytest.fixture
def no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands look for a gateway where none listens, instead of at the usual port."""
    monkeypatch.setenv("ANTIGRAVITY_PROXY__PORT", "1")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Return the lines that the log gets during a test."""
    from twisted.logger import formatEvent, globalLogPublisher

    lines: list[str] = []

    def observe(event: dict[str, object]) -> None:
        lines.append(str(formatEvent(event)))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server; where there is none, skip with the reason."""
    if absent := why_absent():
        pytest.skip(absent)
    with running_server() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """Return a running server without a ledger; a test may stop it."""
    postgres_server.start()
    postgres_server.execute("DROP SCHEMA IF EXISTS antigravity CASCADE")
    return postgres_server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return a running Redis server; where there is none, skip with the reason."""
    if absent := redis_absent():
        pytest.skip(absent)
    with running_redis() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Return a running server without data; a test may stop it."""
    redis_server.start()
    redis_server.send("FLUSHALL")
    redis_server.send("SCRIPT FLUSH")
    return redis_server
