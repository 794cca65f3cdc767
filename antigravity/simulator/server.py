"""The routes of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from antigravity.simulator import catalog, mcp
from antigravity.simulator.anthropic_api import AnthropicApi, check_anthropic_key
from antigravity.simulator.errors import (
    ApiError,
    HttpResponse,
    anthropic_error,
    google_error,
    interactions_error,
    openai_error,
)
from antigravity.simulator.google_api import GoogleApi, check_google_key
from antigravity.simulator.interactions_api import InteractionsApi
from antigravity.simulator.openai_api import OpenAiApi, check_openai_key
from antigravity.simulator.request_handler import (
    Call,
    Endpoint,
    ErrorRenderer,
    KeyCheck,
    RequestHandler,
    bearer,
    content_of,
    find_error_renderer,
    path_of,
    query_of,
)
from antigravity.simulator.responder import Responder, Result, send
from antigravity.simulator.state import State, check_key
from antigravity.simulator.stream import Clock
from antigravity.simulator.validation.chat import check_model as check_openai_model
from antigravity.simulator.validation.gemini_models import check_model as check_gemini_model


class MatchedRule(Rule):
    """A rule that matches paths, and builds none.

    Werkzeug compiles two functions for each rule that build its paths, which nobody calls here.
    """

    @staticmethod
    def _compile_builder(append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _build_nothing


def _build_nothing(*_: object, **__: object) -> tuple[str, str]:
    raise NotImplementedError("this rule builds no path")


@dataclass(frozen=True)
class RouteHandler:
    """What Klein calls for a rule: with its instance, the request and the path's parameters."""

    serve: Callable[..., Any]
    segment_count: int

    def __call__(self, _: object, request: Request, **names: str) -> Any:
        """Serve a request."""
        return self.serve(request, **names)


class SimulatorApp:
    """The Klein application of one simulator.

    :param raw_schemas: whether ``v1internal`` knows ``parametersJsonSchema`` and
        ``responseJsonSchema``.
    """

    def __init__(self, state: State, clock: Clock, raw_schemas: bool = False) -> None:
        self.state = state
        self.responder = Responder(state, clock)
        self._handler = RequestHandler(state)
        self._klein = Klein()
        self._klein.handle_errors(HTTPException)(self._refuse_path)
        self._add_openai(OpenAiApi(state, self.responder))
        self._add_anthropic(AnthropicApi(state, self.responder))
        self._add_google(GoogleApi(state, self.responder, raw_schemas))
        self._add_interactions(InteractionsApi(self.responder))
        # Three protocols share the paths of models.
        for path in ("/v1/models", "/v1beta/models", "/api/anthropic/v1/models"):
            self._add("GET", path, None, _no_key, _list_models)
            self._add("GET", f"{path}/<path:name>", None, _no_key, _describe_model)
        mcp_path = "/api/mcp/<server>/mcp"
        self._add("GET POST DELETE", mcp_path, openai_error, _check_mcp_key, self._serve_mcp)
        self._add_reports()

    def resource(self) -> IResource:
        """Return the root resource."""
        resource: IResource = self._klein.resource()
        return resource

    def _add_openai(self, api: OpenAiApi) -> None:
        posts: dict[str, Endpoint] = {
            "/v1/chat/completions": api.chat,
            "/api/paas/v4/chat/completions": partial(api.chat, lenient=True),
            "/compatible-mode/v1/chat/completions": partial(api.chat, lenient=True),
            "/v1/completions": api.completion,
            "/v1/responses": api.response,
            "/v1/responses/compact": api.compact,
            "/v1/responses/input_tokens": api.input_tokens,
            "/v1/responses/<name>/cancel": partial(api.stored, operation="cancel"),
            "/v1/embeddings": api.embeddings,
            "/v1/images/generations": api.images,
            "/v1/images/edits": partial(api.images, edit=True),
            "/v1/audio/transcriptions": api.transcribe,
            "/v1/audio/translations": partial(api.transcribe, english=True),
            "/v1/audio/speech": api.speak,
        }
        add = partial(self._add, render_error=openai_error, check_key=check_openai_key)
        for path, endpoint in posts.items():
            add("POST", path, endpoint=endpoint)
        add("GET", "/v1/responses", endpoint=api.connect)
        add("GET DELETE", "/v1/responses/<name>", endpoint=api.stored)
        items = partial(api.stored, operation="input_items")
        add("GET", "/v1/responses/<name>/input_items", endpoint=items)

    def _add_anthropic(self, api: AnthropicApi) -> None:
        compatible = partial(check_anthropic_key, version=False)
        for path, check, endpoint in (
            ("/v1/messages", check_anthropic_key, api.message),
            ("/api/anthropic/v1/messages", compatible, api.message),
            ("/anthropic/v1/messages", compatible, api.message),
            ("/v1/messages/count_tokens", check_anthropic_key, api.count),
            ("/api/anthropic/v1/messages/count_tokens", compatible, api.count),
        ):
            self._add("POST", path, anthropic_error, check, endpoint)

    def _add_google(self, api: GoogleApi) -> None:
        for path in ("/v1beta/models/<path:target>", "/v1/models/<path:target>"):
            self._add("POST", path, google_error, check_google_key, api.gemini)
        for methods, path, endpoint in (
            ("POST", "/v1internal:<verb>", api.internal),
            ("POST", "/token", api.token),
            ("POST", "/oauth2/token", api.token),
            ("GET", "/o/oauth2/v2/auth", api.authorize),
            ("GET", "/oauth2/v1/userinfo", api.user_info),
            ("GET", "/oauth2/v2/userinfo", api.user_info),
        ):
            self._add(methods, path, google_error, _no_key, endpoint)

    def _add_interactions(self, api: InteractionsApi) -> None:
        add = partial(self._add, render_error=interactions_error, check_key=check_google_key)
        for path in ("/v1beta/interactions", "/v1/interactions"):
            add("POST", path, endpoint=api.create)
            add("GET DELETE", f"{path}/<name>", endpoint=api.stored)
            add("POST", f"{path}/<name>/cancel", endpoint=api.cancel)

    def _add_reports(self) -> None:
        """Add the routes about the simulator itself, which are not logged."""

        def list_requests() -> dict[str, Any]:
            return {"requests": [asdict(entry) for entry in self.state.log]}

        def clear_requests() -> dict[str, Any]:
            self.state.log.clear()
            return list_requests()

        reports: tuple[tuple[str, str, Callable[[], Mapping[str, Any]]], ...] = (
            ("GET", "/healthz", lambda: {"status": "ok"}),
            ("GET", "/_simulator/requests", list_requests),
            ("DELETE", "/_simulator/requests", clear_requests),
            ("GET", "/_simulator/stats", lambda: asdict(self.state.stats)),
        )
        for method, path, report in reports:
            self._route(
                method,
                path,
                lambda request, report=report: send(request, HttpResponse(200, (), report())),
            )

    def _add(
        self,
        methods: str,
        path: str,
        render_error: ErrorRenderer | None,
        check_key: KeyCheck,
        endpoint: Endpoint,
    ) -> None:
        def serve(request: Request, **names: str) -> Result:
            render = render_error or find_error_renderer(request)
            return self._handler.serve(request, render, check_key, endpoint, **names)

        self._route(methods, path, serve)

    def _route(self, methods: str, path: str, serve: Callable[..., Any]) -> None:
        endpoint = f"{methods} {path}"
        self._klein.endpoints[endpoint] = RouteHandler(serve, path.count("/"))
        self._klein.url_map.add(MatchedRule(path, methods=methods.split(), endpoint=endpoint))

    def _serve_mcp(self, call: Call, server: str) -> Result:
        if server not in mcp.TOOLS:
            raise ApiError(404)
        request = call.request
        method = request.method.decode("ascii")
        reply = mcp.handle(self.state, server, method, call.headers, content_of(request))
        request.setResponseCode(reply.status)
        if reply.body:
            request.setHeader(b"content-type", reply.content_type.encode("ascii"))
        if reply.session:
            request.setHeader(b"mcp-session-id", reply.session.encode("ascii"))
        return reply.body

    def _refuse_path(self, request: Any, failure: Failure) -> Any:
        """Refuse a path or a method that does not exist."""
        assert isinstance(failure.value, HTTPException)
        status = failure.value.code or 400
        method = request.method.decode("latin-1")
        text = f"Invalid URL ({method} {path_of(request)})"
        if status == 405:
            text = f"Not allowed to {method} on {path_of(request)}"
        return self._handler.refuse(request, ApiError(status, text))


def _no_key(_: Call) -> str:
    return ""


def _check_mcp_key(call: Call) -> str:
    key = bearer(call.headers)
    if not key:
        raise ApiError(401, "Unauthorized")
    check_key(key)
    return key


def _list_models(call: Call) -> dict[str, Any]:
    render_error, query = find_error_renderer(call.request), query_of(call.request)
    if render_error is google_error:
        check_google_key(call)
        size = query.get("pageSize", "50")
        return catalog.gemini_list(int(size) if size.isdigit() else 50, query.get("pageToken", ""))
    if render_error is anthropic_error:
        check_anthropic_key(call)
        limit = query.get("limit", "20")
        return catalog.anthropic_list(int(limit) if limit.isdigit() else 20, query.get("after_id"))
    check_openai_key(call)
    return catalog.openai_list()


def _describe_model(call: Call, name: str) -> dict[str, Any]:
    render_error = find_error_renderer(call.request)
    if render_error is google_error:
        check_google_key(call)
        return catalog.gemini_model(check_gemini_model(name))
    if render_error is anthropic_error:
        check_anthropic_key(call)
        if name.startswith("no-such"):
            raise ApiError(404, f"model: {name}")
        return catalog.anthropic_model(name)
    check_openai_key(call)
    return catalog.openai_model(check_openai_model({"model": name}))
