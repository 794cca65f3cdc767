"""Routing decisions are cached until an upstream lists other models."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.upstreams import Credential
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import NotFoundError
from antigravity.routing.capability_table import CapabilityTable
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision, UpstreamEntry
from antigravity.routing.mapping import ModelMapping
from antigravity.routing.router import Router


class _Upstream:
    """Lists what ``lists`` says, and counts how often it is asked."""

    protocols = ("words",)
    quirks: frozenset[str] = frozenset()

    def __init__(self, name: str, *lists: str) -> None:
        self.name = name
        self.lists = lists
        self.requested = 0

    def models(self, credential: Credential) -> Deferred[list[Model]]:
        self.requested += 1
        return succeed([Model(name) for name in self.lists])


class _Credentials:
    def next_credential(self, upstream: str, exclude: object) -> Credential:
        return Credential("one", upstream, "secret")


class DecisionCacheTests(SynchronousTestCase):
    """A router over two upstreams."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.first, self.second = _Upstream("first", "a"), _Upstream("second", "b", "a")
        credentials: Any = _Credentials()
        self.catalog = ModelCatalog(self.clock, credentials, 300.0)
        client: Any = SimpleNamespace(traits=SimpleNamespace(family="none"))
        entries: Any = [UpstreamEntry(upstream) for upstream in (self.first, self.second)]  # type: ignore[arg-type]
        self.router = Router(
            entries,
            {"words": client, "other": client},
            ModelMapping({"mapped": "b"}),
            CapabilityTable(()),
            self.catalog,
        )

    def route(self, name: str, protocol: str = "words") -> RoutingDecision:
        return self.successResultOf(Deferred.fromCoroutine(self.router.route(name, protocol)))

    def names(self, name: str) -> list[str]:
        return [option.upstream.name for option in self.route(name).options]

    def test_same_model_and_protocol_are_cached(self) -> None:
        self.route("a")
        self.assertIs(self.route("mapped"), self.route("mapped"))
        self.assertEqual(self.route("mapped").requested, "mapped")

    def test_models_and_protocols_are_cached_separately(self) -> None:
        self.route("a")
        self.assertEqual([self.names("a"), self.names("b")], [["first", "second"], ["second"]])
        self.assertTrue(self.route("a").options[0].native)
        self.assertFalse(self.route("a", "other").options[0].native)
        self.assertTrue(self.route("a").options[0].native)

    def test_expired_model_list_is_fetched_again(self) -> None:
        self.assertEqual([self.names("b"), self.names("b")], [["second"]] * 2)
        self.first.lists = ("b",)
        self.clock.advance(299)
        self.assertEqual(self.names("b"), ["second"])
        self.assertEqual(self.first.requested, 1)
        self.clock.advance(2)
        self.assertEqual(self.names("b"), ["first", "second"])
        self.assertEqual(self.first.requested, 2)

    def test_forgotten_model_list_is_fetched_again(self) -> None:
        self.assertEqual([self.names("b"), self.names("b")], [["second"]] * 2)
        self.first.lists = ("b",)
        self.catalog.forget()
        self.assertEqual(self.names("b"), ["first", "second"])

    def test_unknown_model_is_found_once_it_is_listed(self) -> None:
        for _ in range(2):
            asking = Deferred.fromCoroutine(self.router.route("new", "words"))
            self.failureResultOf(asking, NotFoundError)
        self.second.lists = ("new",)
        self.clock.advance(301)
        self.assertEqual(self.names("new"), ["second"])

    def test_cache_limits_number_and_length_of_names(self) -> None:
        known = self.router._cache._decisions
        for number in range(3000):
            self.route(f"first/{number}")
        self.assertLessEqual(len(known), 1024)
        self.assertIn(("first/2999", "words"), known)
        self.route("first/" + "x" * 1000)
        self.assertNotIn("first/" + "x" * 1000, [name for name, _ in known])
