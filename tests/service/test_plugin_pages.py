"""Dashboard pages, admin routes and watched rows of plugins, in a running gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import treq
from msgspec import Struct
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.logger import formatEvent, globalLogPublisher

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.dashboard import DashboardPage, PageRequest
from antigravity.interfaces.ledger import RequestSummary
from antigravity.ir.errors import ConflictError
from antigravity.plugins import PluginHost
from tests.service.dashboard_fixture import ADMIN, Browser
from tests.support.conditions import eventually

reactor: Any = default_reactor
HOSTILE = "<script>alert(1)</script>"

TEMPLATE = """\
<p id="label">{{ label }}</p>
<p id="query">{{ query.get("q", "") }}</p>
<form method="post" action="{{ action("rename") }}">
<input type="hidden" name="csrf" value="{{ csrf }}">
<input name="label"><input name="number"><button>Rename</button>
</form>
"""


class Rename(Struct, frozen=True):
    """What to call a shelf."""

    label: str
    number: int = 0


class Shelf(Struct, frozen=True):
    """A shelf."""

    shelf: str
    label: str


class Shelves:
    """A plugin with pages, routes and an observer."""

    def __init__(self) -> None:
        self.label = HOSTILE
        self.numbers: list[int] = []
        self.seen: list[RequestSummary] = []

    async def data(self, request: PageRequest) -> Mapping[str, Any]:
        return {"label": self.label, "query": request.query}

    def rename(self, shelf: str, body: Rename) -> Shelf:
        if body.label == "taken":
            raise ConflictError("The label is taken.")
        if body.label == "broken":
            raise ZeroDivisionError("the shelf broke")
        self.label = body.label
        self.numbers.append(body.number)
        return Shelf(shelf, body.label)

    def broken(self, *_: object, **__: object) -> Any:
        raise ZeroDivisionError("the shelf broke")

    @hookimpl
    def register_dashboard_pages(self, register: Callable[[object], None]) -> None:
        rename = AdminRoute(
            method="PUT",
            path="/admin/plugins/shelves/<shelf>",
            summary="Rename a shelf.",
            body=Rename,
            response=Shelf,
            errors=(ConflictError,),
            handler=self.rename,
        )
        register(
            DashboardPage(
                name="shelves",
                title="Shelves",
                template=TEMPLATE.replace(
                    '<input name="label">', '<input name="shelf"><input name="label">'
                ),
                data=self.data,
                actions={
                    "rename": rename,
                    "here": replace(
                        rename, path="/admin/plugins/shelves/<shelf>/here", local_only=True
                    ),
                },
            )
        )
        register(DashboardPage(name="data", title="Data", template="", data=self.broken))
        register(
            DashboardPage(name="syntax", title="Syntax", template="{% if %}", data=lambda _: {})
        )
        register(
            DashboardPage(name="missing", title=HOSTILE, template="{{ no }}", data=lambda _: {})
        )
        register(DashboardPage(name="values", title="Values", template="", data=lambda _: [1]))

    @hookimpl
    def register_admin_routes(self, register: Callable[[object], None]) -> None:
        for path, response, handler in (
            ("/admin/plugins/shelves", list[str], lambda: ["a"]),
            ("/admin/plugins/shelves/broken", Shelf, self.broken),
            ("/admin/plugins/shelves/odd", Shelves, lambda: object()),
        ):
            route = AdminRoute(
                method="GET", path=path, summary="Read.", response=response, handler=handler
            )
            register(route)

    @hookimpl
    def register_routes(self, register: Callable[..., None]) -> None:
        register("ANY", "/admin/raw/<name>", lambda request, name: b"raw")

    @hookimpl
    def requests_recorded(self, requests: Sequence[RequestSummary]) -> None:
        self.seen += requests
        raise ZeroDivisionError("the observer broke")


class PluginPageTests(Browser):
    """One demo gateway with the plugin."""

    async def start(self) -> None:
        self.plugin = Shelves()
        host = PluginHost()
        host.load(extra=[("shelving", self.plugin)], installed=False)
        self.assertEqual(host.problems, [])
        proxy = ProxySettings(listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(ADMIN))
        self.gateway = Gateway(reactor, Settings(proxy), Path(self.mktemp()), host, demo=True)
        self.addCleanup(self.gateway.stopService)
        self.log: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        await self.gateway.startService()
        await self.sign_in()

    def observe(self, event: Any) -> None:
        self.log.append(formatEvent(event) or "")

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        response = await treq.request(
            method,
            self.address + path,
            headers={"x-api-key": ADMIN},
            data=None if body is None else json.dumps(body).encode(),
            persistent=False,
        )
        content = await response.content()
        try:
            return response.code, json.loads(content)
        except ValueError:
            return response.code, content

    def check_reported(self, text: str) -> None:
        """Assert that a failure is logged with the plugin's name and no other words of it."""
        self.assertIn("shelving", text)
        self.assertNotIn("the shelf broke", text)
        self.assertTrue([line for line in self.log if line.startswith("plugin shelving: ")])

    async def test_page_is_in_the_frame_with_escaped_values(self) -> None:
        await self.start()
        response = await self.fetch(f"/dashboard/plugins/shelves?q={HOSTILE}")
        self.assertEqual(response.code, 200)
        self.assertNotIn(HOSTILE, response.text)
        self.assertEqual(response.text.count("&lt;script&gt;alert(1)"), 3)  # also a title
        self.assertIn(
            '<a href="/dashboard/plugins/shelves" aria-current="page">Shelves</a>', response.text
        )
        self.assertIn("default-src 'none'", response.header("content-security-policy"))
        self.assertIn('href="/dashboard/plugins/shelves"', await self.page("/dashboard"))

    async def test_page_needs_a_session(self) -> None:
        await self.start()
        self.cookie = ""
        response = await self.fetch("/dashboard/plugins/shelves")
        self.assertIn('name="key"', response.text)
        self.assertNotIn("Shelves", response.text)
        form = {"label": "x", "shelf": "s"}
        changed = await self.fetch("/dashboard/plugins/shelves/rename", "POST", form)
        self.assertEqual(changed.code, 401)

    async def test_failing_pages_say_so_in_the_frame(self) -> None:
        await self.start()
        for name in ("data", "syntax", "missing", "values"):
            self.log.clear()
            response = await self.fetch(f"/dashboard/plugins/{name}")
            self.assertEqual(response.code, 500, name)
            self.assertIn("The plugin shelving has failed", response.text)
            self.assertIn('action="/dashboard/sign-out"', response.text)
            self.check_reported(response.text)
            self.flushLoggedErrors()
        self.assertEqual((await self.fetch("/dashboard/plugins/none")).code, 404)
        self.assertEqual((await self.fetch("/dashboard")).code, 200)

    async def test_form_calls_the_route_of_the_action(self) -> None:
        await self.start()
        csrf = await self.csrf()
        address = "/dashboard/plugins/shelves/rename"
        form = {"csrf": csrf, "shelf": "s1", "label": "new", "number": "7"}
        response = await self.fetch(address, "POST", form)
        self.assertEqual((response.code, response.header("location")), (303, address[:-7]))
        self.assertEqual((self.plugin.label, self.plugin.numbers), ("new", [7]))
        page = await self.page("/dashboard/plugins/shelves")
        self.assertIn("Done.", page)
        self.assertIn(f'action="{address}"', page)

    async def test_action_for_this_machine_only_is_refused_to_others(self) -> None:
        await self.start()
        form = {"csrf": await self.csrf(), "shelf": "a", "label": "new"}
        path = "/dashboard/plugins/shelves/here"
        response = await self.fetch(path, "POST", form, X_Forwarded_For="192.0.2.1")
        self.assertEqual(response.code, 403, response.text)
        self.assertEqual(self.plugin.label, HOSTILE)
        self.assertEqual((await self.fetch(path, "POST", form)).code, 303)
        self.assertEqual(self.plugin.label, "new")

    async def test_wrong_forms_change_nothing(self) -> None:
        await self.start()
        csrf = await self.csrf()
        address = "/dashboard/plugins/shelves/rename"
        for change, code in (
            ({"csrf": "other"}, 403),
            ({"number": "many"}, 400),
            ({"label": "taken"}, 409),
            ({"label": "broken"}, 500),
        ):
            form = {"csrf": csrf, "shelf": "s1", "label": "new", **change}
            self.assertEqual((await self.fetch(address, "POST", form)).code, code, change)
        self.flushLoggedErrors(ZeroDivisionError)
        form = {"csrf": csrf}
        for path in ("/dashboard/plugins/shelves/none", "/dashboard/plugins/none/rename"):
            self.assertEqual((await self.fetch(path, "POST", form)).code, 404)
        self.assertEqual(self.plugin.label, HOSTILE)

    async def test_actions_and_routes_are_in_the_admin_api(self) -> None:
        await self.start()
        renamed = await self.ask("PUT", "/admin/plugins/shelves/s2", {"label": "books"})
        self.assertEqual(renamed, (200, {"shelf": "s2", "label": "books"}))
        self.assertEqual(await self.ask("GET", "/admin/plugins/shelves"), (200, ["a"]))
        code, body = await self.ask("PUT", "/admin/plugins/shelves/s2", {"label": "taken"})
        self.assertEqual((code, "The label is taken." in str(body)), (409, True))

    async def test_failing_routes_say_so(self) -> None:
        await self.start()
        for path in ("/admin/plugins/shelves/broken", "/admin/plugins/shelves/odd"):
            code, body = await self.ask("GET", path)
            self.assertEqual((code, body["error"]["code"]), (500, "plugin_failed"), path)
            self.check_reported(str(body))
            self.flushLoggedErrors()

    async def test_document_has_the_routes_of_plugins(self) -> None:
        await self.start()
        code, document = await self.ask("GET", "/admin/openapi.json")
        self.assertEqual(code, 200)
        found = document["paths"]["/admin/plugins/shelves/{shelf}"]["put"]
        self.assertEqual(found["tags"], ["shelving"])
        self.assertIn("Rename", document["components"]["schemas"])
        odd = document["paths"]["/admin/plugins/shelves/odd"]["get"]
        self.assertEqual(odd["responses"]["200"]["content"]["application/json"]["schema"], {})
        raw = document["paths"]["/admin/raw/{name}"]
        self.assertEqual(sorted(raw), ["delete", "get", "patch", "post", "put"])
        self.assertEqual((await self.ask("GET", "/admin/raw/x"))[0], 200)

    async def test_observer_gets_rows_and_its_failure_is_logged(self) -> None:
        await self.start()
        message = {"role": "user", "content": "Hello"}
        for _ in range(2):
            code, _body = await self.ask(
                "POST", "/v1/chat/completions", {"model": "gpt-4.1", "messages": [message]}
            )
            self.assertEqual(code, 200)
        await eventually(lambda: len(self.plugin.seen) == 2)
        self.assertEqual([each.model for each in self.plugin.seen], ["gpt-4.1"] * 2)
        self.assertTrue(all(each.tokens.total for each in self.plugin.seen))
        lines = [line for line in self.log if "requests_recorded failed" in line]
        self.assertTrue(lines[0].startswith("plugin shelving: "))
        assert self.gateway is not None
        self.assertEqual(self.gateway.ledger.status().problem, "")


def test_wrong_registrations_are_reported_one_by_one() -> None:
    def route(**changes: Any) -> AdminRoute:
        given = {
            "method": "GET",
            "path": "/admin/plugins/x",
            "summary": "Read.",
            "handler": dict,
            "response": dict,
        }
        return AdminRoute(**{**given, **changes})

    def page(**changes: Any) -> DashboardPage:
        given = {"name": "p", "title": "P", "template": "", "data": dict}
        return DashboardPage(**{**given, **changes})

    class Wrong:
        @hookimpl
        def register_admin_routes(self, register: Callable[[object], None]) -> None:
            register(route())
            register(route())
            register(route(path="/admin/status"))
            register(route(path="/admin/plugins/y", names={"z": "no"}))
            register(route(path="/admin/plugins/y", body=dict))
            register("no route")

        @hookimpl
        def register_dashboard_pages(self, register: Callable[[object], None]) -> None:
            register(page())
            register(page())
            register(page(name="a/b"))
            register(page(name="q", actions={"x": route()}))
            register(page(name="q", actions={"../x": route(path="/admin/plugins/q")}))
            register(3)

        @hookimpl
        def register_commands(self, register: Callable[[object], None]) -> None:
            register(print)

    host = PluginHost()
    host.load(extra=[("wrong", Wrong())], installed=False)
    reasons = [re.sub(r"^register_(\w+): ", r"\1: ", each.reason) for each in host.problems]
    assert reasons == [
        "admin_routes: the route GET /admin/plugins/x is taken",
        "admin_routes: the path '/admin/status' does not begin with /admin/plugins/",
        "admin_routes: the path '/admin/plugins/y' has no z",
        "admin_routes: <class 'dict'> is no Struct",
        "admin_routes: 'no route' is no AdminRoute",
        "dashboard_pages: the name 'p' is taken",
        "dashboard_pages: 'a/b' is not a valid name",
        "dashboard_pages: the route GET /admin/plugins/x is taken",
        "dashboard_pages: '../x' is not a valid name of an action",
        "dashboard_pages: 3 is no DashboardPage",
        "commands: <built-in function print> is no command of click",
    ]
    assert [each.plugin for each in host.registry.owned_admin_routes()] == ["wrong"]
