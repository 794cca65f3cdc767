"""A Redis server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis import RedisServer, running_redis, why_absent


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return a running Redis server; where there is none, skip with the reason."""
    if absent := why_absent():
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
