"""ResponseStore: clients see their own responses only, within the limits of the store."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.operations.response_store import ResponseOrigin, ResponseStore
from antigravity.state.content import SharedContent
from antigravity.stores.bounded_cache import BoundedCache
from tests.support.shared_memory import SharedMemory

ORIGIN = ResponseOrigin("openai", "key-1", "gpt-5")


def store(entries: int = 10, size: int = 1000) -> BoundedCache:
    return BoundedCache(lambda: 0.0, max_entries=entries, max_bytes=size, ttl=60.0)


def test_client_finds_only_its_own_responses() -> None:
    shared = store()
    mine, yours = (
        ResponseStore(shared, "me", "openai_responses"),
        ResponseStore(shared, "you", "openai_responses"),
    )
    mine.put("a", b"{}")
    mine.put_origin("b", ORIGIN)
    assert mine.get("a") == b"{}"
    assert mine.get("b") == ORIGIN
    assert yours.get("a") is yours.get("b") is None
    assert yours.is_other_clients("a")
    assert yours.is_other_clients("b")
    assert not yours.is_other_clients("c")
    yours.delete("a")
    assert mine.get("a") == b"{}"
    mine.delete("a")
    assert mine.get("a") is None


def test_response_beyond_limits_is_not_stored() -> None:
    responses = ResponseStore(store(size=100), "me", "openai_responses")
    responses.put("a", b"x" * 200)
    assert responses.get("a") is None
    responses = ResponseStore(store(entries=1), "me", "openai_responses")
    responses.put("a", b"1")
    responses.put_origin("b", ORIGIN)
    assert responses.get("a") is None
    assert responses.get("b") == ORIGIN


class SharedResponseTests(SynchronousTestCase):
    """Responses that one gateway stores while a client already continues them at another one."""

    ID = "resp_0123456789abcdef01234567"

    def setUp(self) -> None:
        self.clock = Clock()
        self.shared = SharedMemory(self.clock)
        self.one, self.other, self.stranger = map(self.responses, ("me", "me", "you"))

    def responses(self, principal: str) -> ResponseStore:
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        content = SharedContent(state, self.clock)
        content.use(b"secret")
        kind = content.kind("response")
        pause = lambda seconds: deferLater(self.clock, seconds)  # type: ignore[arg-type]  # noqa: E731
        return ResponseStore(store(), principal, "openai_responses", kind, 60.0, pause)

    def fetch(self, responses: ResponseStore, *names: str) -> Deferred[Any]:
        self.shared.calls.clear()
        return Deferred.fromCoroutine(responses.fetch(names))

    def test_response_that_is_on_its_way_is_found(self) -> None:
        self.shared.waiting = waiting = []
        self.one.put(self.ID, b"{}")
        self.shared.waiting = None
        fetching = self.fetch(self.other, self.ID)
        self.clock.advance(0.02)
        self.assertNoResult(fetching)
        for each in waiting:
            each.callback(None)
        self.clock.advance(0.05)
        self.successResultOf(fetching)
        self.assertEqual(self.other.get(self.ID), b"{}")
        self.assertEqual(self.shared.calls.count("get_many"), 3)

    def test_wait_for_response_that_is_nowhere_is_short(self) -> None:
        fetching = self.fetch(self.other, self.ID)
        self.clock.pump([0.01] * 39)
        self.successResultOf(fetching)
        self.assertEqual(self.shared.calls.count("get_many"), 5)

    def test_known_responses_and_those_of_upstreams_are_asked_for_once(self) -> None:
        self.one.put(self.ID, b"{}")
        for name in (self.ID, "resp_" + 48 * "0", "resp_upstream", "x", ""):
            self.successResultOf(self.fetch(self.other, name))
            self.assertEqual(self.shared.calls.count("get_many"), 1, name)

    def test_response_of_other_client_is_not_waited_for(self) -> None:
        self.one.put(self.ID, b"{}")
        self.successResultOf(self.fetch(self.stranger, self.ID))
        self.assertIsNone(self.stranger.get(self.ID))
        self.assertTrue(self.stranger.is_other_clients(self.ID))

    def test_lost_state_is_not_waited_for(self) -> None:
        self.shared.is_away = True
        self.successResultOf(self.fetch(self.other, self.ID))
