"""Loading plugins, their registrations, and their observers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from antigravity import plugins
from antigravity.config.settings import Settings
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.key_store import IKeyStoreKind
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.interfaces.state import IStateKind
from antigravity.interfaces.upstreams import IUpstream, IUpstreamKind
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import DEFAULT_PLUGINS, HOOKS, PluginHost
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from antigravity.web.app import WebApp

RECORD = ExchangeRecord("req_1", "anthropic", "generate", "m", 0.0)


@implementer(IUpstreamKind)
class Kind:
    """A kind of upstream that is whole."""

    description = "For tests."

    def __init__(self, kind: str = "mine") -> None:
        self.kind = kind

    def build(self, settings: object, services: object) -> IUpstream:
        raise NotImplementedError


@implementer(IUpstreamKind)
class HalfKind:
    """It says that it is a kind, and lacks the method."""

    kind = "half"
    description = "Broken."


class Upstreams:
    """A plugin that registers kinds, with what they are told of its settings."""

    def __init__(self, *kinds: object) -> None:
        self._kinds = kinds
        self.settings: Any = None

    @hookimpl
    def register_upstreams(self, register: Callable[[object], None], settings: Any) -> None:
        self.settings = settings
        for kind in self._kinds:
            register(kind)


def load(*extra: tuple[str, object], **settings: Any) -> PluginHost:
    host = PluginHost(settings)
    host.load(extra=extra, installed=False)
    return host


def told(host: PluginHost) -> list[tuple[str, str]]:
    return [(problem.plugin, problem.reason) for problem in host.problems]


class LoadTests(SynchronousTestCase):
    def test_built_in_plugins_register_every_protocol(self) -> None:
        host = load()
        self.assertEqual(host.problems, [])
        self.assertEqual({p.name for p in host.plugins() if p.builtin}, set(DEFAULT_PLUGINS))
        self.assertLessEqual(
            {"openai_chat", "openai_completions", "openai_responses", "anthropic", "gemini"},
            set(host.registry.servers),
        )
        self.assertEqual(
            set(host.registry.upstream_kinds), {"openai", "anthropic", "gemini_api", "codeassist"}
        )

    def test_registry_has_a_row_for_each_hook_that_registers(self) -> None:
        registering = [hook for hook in HOOKS if hook.startswith("register_")]
        self.assertEqual(list(load().registry.hooks), registering)

    def test_plugin_that_raises_is_reported_and_others_are_loaded(self) -> None:
        class Raising:
            @hookimpl
            def register_upstreams(self, register: Callable[[object], None]) -> None:
                register(Kind("early"))
                raise RuntimeError("out of order")

        host = load(("raising", Raising()), ("good", Upstreams(Kind())))
        ((name, reason),) = told(host)
        self.assertEqual(name, "raising")
        self.assertRegex(
            reason,
            r"^register_upstreams failed: RuntimeError: out of order "
            r"\(test_plugin_host\.py, line \d+\)$",
        )
        self.assertIn("mine", host.registry.upstream_kinds)
        self.assertIn("anthropic", host.registry.servers)

    def test_plugin_with_unknown_hook_is_refused_with_suggestion(self) -> None:
        class Misspelt:
            @hookimpl
            def register_upstream(self, register: Callable[[object], None]) -> None:
                register(Kind())

        host = load(("misspelt", Misspelt()))
        ((name, reason),) = told(host)
        self.assertEqual(name, "misspelt")
        self.assertIn("no hook 'register_upstream'; did you mean 'register_upstreams'?", reason)
        self.assertNotIn("misspelt", [plugin.name for plugin in host.plugins()])

    def test_hook_without_marker_is_reported(self) -> None:
        class Unmarked(Upstreams):
            def exchange_finished(self, record: ExchangeRecord) -> None:
                raise AssertionError("it was called")

        host = load(("unmarked", Unmarked(Kind())))
        ((name, reason),) = told(host)
        self.assertEqual(name, "unmarked")
        self.assertIn("exchange_finished is not marked with hookimpl", reason)
        self.assertIn("mine", host.registry.upstream_kinds)

    def test_entry_point_that_cannot_be_imported_is_reported(self) -> None:
        points = (
            EntryPoint("gone", "no.such.module:plugin", "antigravity"),
            EntryPoint("openai", "antigravity.builtin.anthropic", "antigravity"),
        )
        self.patch(plugins, "entry_points", lambda group: points)
        host = PluginHost()
        host.load()
        (gone, twice) = told(host)
        self.assertEqual(gone[0], "gone")
        self.assertIn("ModuleNotFoundError", gone[1])
        self.assertEqual(
            twice,
            ("openai", "could not be loaded: ValueError: another plugin has the same name"),
        )
        self.assertIn("openai_chat", host.registry.servers)

    def test_object_without_a_method_is_refused_with_its_name(self) -> None:
        host = load(("half", Upstreams(HalfKind(), Kind())))
        ((name, reason),) = told(host)
        self.assertEqual(name, "half")
        self.assertIn("IUpstreamKind", reason)
        self.assertIn("build", reason)
        self.assertEqual(
            set(host.registry.upstream_kinds) - set(load().registry.upstream_kinds), {"mine"}
        )

    def test_object_without_protocol_interface_is_refused(self) -> None:
        class Wrong:
            @hookimpl
            def register_protocols(self, register: Callable[[object], None]) -> None:
                register(object())
                register(None)

        host = load(("wrong", Wrong()))
        self.assertEqual([name for name, _ in told(host)], ["wrong", "wrong"])
        self.assertTrue(all("IServerProtocol" in reason for _, reason in told(host)))

    def test_second_object_of_the_same_name_is_refused(self) -> None:
        class Twin:
            @hookimpl
            def register_protocols(self, register: Callable[[object], None]) -> None:
                register(ANTHROPIC_SERVER)

        host = load(("twin", Twin()))
        self.assertEqual(
            told(host), [("twin", "register_protocols: the name 'anthropic' is taken")]
        )

    def test_stores_are_checked(self) -> None:
        class Kind:
            def __init__(self, *schemes: Any) -> None:
                self.schemes = schemes

            def name(self, url: str) -> str:
                return url

            def build(self, reactor: Any, url: str) -> Any:
                raise NotImplementedError

        class Plugin:
            @hookimpl
            def register_stores(self, register: Callable[[object], None]) -> None:
                for schemes in (("mine", "mines"), (), ("Mine",), ("redis",), (1,)):
                    register(implementer(IStateKind)(Kind)(*schemes))
                register(object())

        host = load(("mine", Plugin()))
        kinds = host.registry.state_kinds
        self.assertIs(kinds["mine"], kinds["mines"])
        self.assertNotIsInstance(kinds["redis"], Kind)
        self.assertEqual(len([each for each in told(host) if each[0] == "mine"]), 5)
        (info,) = [each for each in host.plugins() if each.name == "mine"]
        self.assertEqual(info.registered["stores"], ("mine, mines",))

    def test_key_stores_have_schemes_of_their_own(self) -> None:
        @implementer(IKeyStoreKind)
        class Kind:
            def __init__(self, *schemes: Any) -> None:
                self.schemes = schemes

            def name(self, url: str) -> str:
                return url

            def build(self, reactor: Any, home: Any, url: str) -> Any:
                raise NotImplementedError

        class Plugin:
            @hookimpl
            def register_stores(self, register: Callable[[object], None]) -> None:
                for schemes in (("mine", "redis"), (), ("postgresql",)):
                    register(Kind(*schemes))

        host = load(("mine", Plugin()))
        kinds = host.registry.key_store_kinds
        self.assertIsInstance(kinds["redis"], Kind)
        self.assertNotIsInstance(kinds["postgresql"], Kind)
        self.assertNotIn("mine", host.registry.state_kinds)
        self.assertEqual(len([each for each in told(host) if each[0] == "mine"]), 2)

    def test_selection_policies_are_checked(self) -> None:
        @implementer(ISelectionPolicy)
        class Policy:
            sticky = False

            def __init__(self, name: Any) -> None:
                self.name = name

            def select(self, candidates: Any, context: Any) -> Any:
                raise NotImplementedError

            def moves(self, bound: Any, candidates: Any, context: Any) -> bool:
                raise NotImplementedError

        class Policies:
            @hookimpl
            def register_selection_policies(self, register: Callable[[object], None]) -> None:
                for name in ("Mine", "Balance", "", 5):
                    register(Policy(name))
                register(object())

        host = load(("policies", Policies()))
        self.assertEqual(
            list(host.registry.selection_policies),
            ["CacheFirst", "Balance", "PerformanceFirst", "Mine"],
        )
        reasons = [reason.removeprefix("register_selection_policies: ") for _, reason in told(host)]
        self.assertEqual(
            reasons[:3],
            ["the name 'Balance' is taken", "'' is not a valid name", "5 is not a valid name"],
        )
        self.assertIn("ISelectionPolicy", reasons[3])
        (mine,) = (plugin for plugin in host.plugins() if plugin.name == "policies")
        self.assertEqual(mine.registered["selection_policies"], ("Mine",))

    def test_blocked_plugin_is_not_loaded(self) -> None:
        blocked = Upstreams(Kind())
        host = load(("mine", blocked), blocked=["mine", "anthropic"])
        self.assertIsNone(blocked.settings)
        self.assertNotIn("mine", host.registry.upstream_kinds)
        self.assertNotIn("anthropic", host.registry.servers)
        self.assertEqual(host.problems, [])

    def test_each_plugin_gets_its_own_settings(self) -> None:
        one, two = Upstreams(Kind("one")), Upstreams(Kind("two"))
        load(("one", one), ("two", two), one={"colour": "red"})
        self.assertEqual(one.settings, {"colour": "red"})
        self.assertEqual(two.settings, {})

    def test_routes_are_checked(self) -> None:
        class Routes:
            @hookimpl
            def register_routes(self, register: Callable[..., None]) -> None:
                register("GET", "/mine", lambda request: b"")
                register("get", "/mine", lambda request: b"")
                register("GET", "mine", lambda request: b"")

        host = load(("routes", Routes()))
        self.assertEqual([route[:2] for route in host.registry.routes], [("GET", "/mine")])
        self.assertEqual(
            [reason for _, reason in told(host)],
            [
                "register_routes: the route GET /mine is taken",
                "register_routes: the path 'mine' does not begin with a slash",
            ],
        )


class Observer:
    """Watches in the way that it is told."""

    def __init__(self, react: Callable[[ExchangeRecord], object]) -> None:
        self._react = react
        self.seen: list[str] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> object:
        self.seen.append(record.id)
        return self._react(record)


class ObserverTests(SynchronousTestCase):
    def test_observer_may_return_value_deferred_or_coroutine(self) -> None:
        waiting: Deferred[None] = Deferred()
        done: list[str] = []

        async def later(record: ExchangeRecord) -> None:
            await waiting
            done.append(record.id)

        watchers = [
            Observer(lambda _: None),
            Observer(lambda _: succeed(1)),
            Observer(later),
        ]
        host = load(*((f"w{number}", each) for number, each in enumerate(watchers)))
        host.notify("exchange_finished", record=RECORD)
        self.assertEqual([watcher.seen for watcher in watchers], [["req_1"]] * 3)
        self.assertEqual(done, [])
        waiting.callback(None)
        self.assertEqual(done, ["req_1"])

    def test_failure_of_observer_affects_no_other(self) -> None:
        def explode(record: ExchangeRecord) -> object:
            raise RuntimeError("boom")

        async def explode_later(record: ExchangeRecord) -> None:
            raise RuntimeError("boom later")

        last = Observer(lambda _: None)
        host = load(
            ("now", Observer(explode)),
            ("deferred", Observer(lambda _: fail(RuntimeError("boom deferred")))),
            ("coroutine", Observer(explode_later)),
            ("last", last),
        )
        complaints: list[tuple[str, str]] = []

        class Log:
            def error(self, _: str, *, plugin: str, hook: str, error: BaseException) -> None:
                complaints.append((plugin, str(error)))

        self.patch(PluginHost, "log", Log())
        host.notify("exchange_finished", record=RECORD)
        self.assertEqual(last.seen, ["req_1"])
        self.assertEqual(
            sorted(complaints),
            [("coroutine", "boom later"), ("deferred", "boom deferred"), ("now", "boom")],
        )

    def test_notify_without_observers_does_nothing(self) -> None:
        host = load()
        host.notify("exchange_started", record=RECORD)
        host.notify("exchange_finished", record=RECORD)


class ServerTests(SynchronousTestCase):
    def test_routes_of_plugins_pass_admission(self) -> None:
        class Routes:
            @hookimpl
            def register_routes(self, register: Callable[..., None], settings: Any) -> None:
                register("GET", "/mine/<name>", lambda request, name: f"{name}!".encode())
                register("GET", "/later", lambda request: succeed(settings["word"].encode()))

        host = load(("routes", Routes()), routes={"word": "yes"})
        app = WebApp(
            None,  # type: ignore[arg-type]
            list(host.registry.servers.values()),
            Settings(),
            host.registry.routes,
        )
        client = StubTreq(app.resource())
        for path, body in (("/mine/one", b"one!"), ("/later", b"yes")):
            answer = self.successResultOf(client.get(f"http://localhost{path}"))
            self.assertEqual(answer.code, 200)
            self.assertEqual(self.successResultOf(answer.content()), body)
            self.assertTrue(answer.headers.hasHeader("X-Request-Id"))
        refused = self.successResultOf(client.get("http://elsewhere.example/later"))
        self.assertEqual(refused.code, 403)
