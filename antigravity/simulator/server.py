"""The routes of the simulator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from antigravity.simulator import catalog, mcp
from antigravity.simulator.anthropic_api import AnthropicApi, check_anthropic_key
from antigravity.simulator.errors import (
    ApiError,
    HttpResponse,
    anthropic_error,
    google_error,
    openai_error,
)
from antigravity.simulator.google_api import GoogleApi, check_google_key
from antigravity.simulator.openai_api import OpenAiApi, check_openai_key
from antigravity.simulator.request_handler import (
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


class SimulatorApp:
    """The Klein application of one simulator.

    :param raw_schemas: whether ``v1internal`` knows ``parametersJsonSchema`` and
        ``responseJsonSchema``.
    """

    app: ClassVar[Klein] = Klein()

    def __init__(self, state: State, clock: Clock, raw_schemas: bool = False) -> None:
        self.state = state
        self.responder = Responder(state, clock)
        self._handler = RequestHandler(state)
        self._openai = OpenAiApi(state, self._handler, self.responder)
        self._anthropic = AnthropicApi(state, self._handler, self.responder)
        self._google = GoogleApi(state, self._handler, self.responder, raw_schemas)

    def resource(self) -> IResource:
        """Return the root resource."""
        resource: IResource = self.app.resource()
        return resource

    # OpenAI

    @app.route("/v1/chat/completions", methods=["POST"])
    def chat(self, request: Request) -> Result:
        """Respond to a chat completion."""
        return self._openai.chat(request)

    @app.route("/api/paas/v4/chat/completions", methods=["POST"])
    def compatible_chat(self, request: Request) -> Result:
        """Respond to a chat completion of z.ai."""
        return self._openai.chat(request, lenient=True)

    @app.route("/v1/completions", methods=["POST"])
    def completion(self, request: Request) -> Result:
        """Respond to a legacy completion."""
        return self._openai.completion(request)

    @app.route("/v1/responses", methods=["POST"])
    def response(self, request: Request) -> Result:
        """Create a response."""
        return self._openai.response(request)

    @app.route("/v1/responses/input_tokens", methods=["POST"])
    def input_tokens(self, request: Request) -> Result:
        """Count the tokens of a response's input."""
        return self._openai.input_tokens(request)

    @app.route("/v1/responses/<name>", methods=["GET", "DELETE"])
    def stored(self, request: Request, name: str) -> Result:
        """Return or delete a stored response."""
        return self._openai.stored(request, name)

    @app.route("/v1/responses/<name>/input_items", methods=["GET"])
    def input_items(self, request: Request, name: str) -> Result:
        """List the input items of a response."""
        return self._openai.stored(request, name, "input_items")

    @app.route("/v1/responses/<name>/cancel", methods=["POST"])
    def cancel(self, request: Request, name: str) -> Result:
        """Cancel a background response."""
        return self._openai.stored(request, name, "cancel")

    @app.route("/v1/embeddings", methods=["POST"])
    def embeddings(self, request: Request) -> Result:
        """Respond with vectors."""
        return self._openai.embeddings(request)

    @app.route("/v1/images/generations", methods=["POST"])
    def draw(self, request: Request) -> Result:
        """Generate images."""
        return self._openai.images(request, edit=False)

    @app.route("/v1/images/edits", methods=["POST"])
    def edit(self, request: Request) -> Result:
        """Edit images."""
        return self._openai.images(request, edit=True)

    @app.route("/v1/audio/transcriptions", methods=["POST"])
    def transcribe(self, request: Request) -> Result:
        """Transcribe a recording."""
        return self._openai.transcribe(request, english=False)

    @app.route("/v1/audio/translations", methods=["POST"])
    def translate(self, request: Request) -> Result:
        """Translate a recording into English."""
        return self._openai.transcribe(request, english=True)

    @app.route("/v1/audio/speech", methods=["POST"])
    def speak(self, request: Request) -> Result:
        """Convert a text to speech."""
        return self._openai.speak(request)

    # Anthropic

    @app.route("/v1/messages", methods=["POST"])
    def message(self, request: Request) -> Result:
        """Respond to a message."""
        return self._anthropic.message(request)

    @app.route("/api/anthropic/v1/messages", methods=["POST"])
    def compatible_message(self, request: Request) -> Result:
        """Respond to a message of z.ai's compatible API."""
        return self._anthropic.message(request, version=False)

    @app.route("/v1/messages/count_tokens", methods=["POST"])
    def count(self, request: Request) -> Result:
        """Count the tokens of a message."""
        return self._anthropic.count(request)

    @app.route("/api/anthropic/v1/messages/count_tokens", methods=["POST"])
    def compatible_count(self, request: Request) -> Result:
        """Count the tokens of a message of z.ai's compatible API."""
        return self._anthropic.count(request, version=False)

    # Google

    @app.route("/v1beta/models/<path:target>", methods=["POST"])
    @app.route("/v1/models/<path:target>", methods=["POST"])
    def gemini(self, request: Request, target: str) -> Result:
        """Serve the verbs of the Gemini API."""
        return self._google.gemini(request, target)

    @app.route("/v1internal:<verb>", methods=["POST"])
    def internal(self, request: Request, verb: str) -> Result:
        """Serve the verbs of Code Assist."""
        return self._google.internal(request, verb)

    @app.route("/token", methods=["POST"])
    @app.route("/oauth2/token", methods=["POST"])
    def token(self, request: Request) -> Result:
        """Issue an OAuth access token."""
        return self._google.token(request)

    @app.route("/o/oauth2/v2/auth", methods=["GET"])
    def authorize(self, request: Request) -> Result:
        """Redirect with an OAuth authorization code."""
        return self._google.authorize(request)

    @app.route("/oauth2/v1/userinfo", methods=["GET"])
    @app.route("/oauth2/v2/userinfo", methods=["GET"])
    def user_info(self, request: Request) -> Result:
        """Return the profile of the access token's account."""
        return self._google.user_info(request)

    # Lists of models: three protocols share the path

    @app.route("/v1/models", methods=["GET"])
    @app.route("/v1beta/models", methods=["GET"])
    @app.route("/api/anthropic/v1/models", methods=["GET"])
    def models(self, request: Request) -> Result:
        """List the models."""
        shape, query = find_error_renderer(request), query_of(request)

        def endpoint(headers: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
            if shape is google_error:
                check_google_key(request, headers)
                size = query.get("pageSize", "50")
                return catalog.gemini_list(
                    int(size) if size.isdigit() else 50, query.get("pageToken", "")
                )
            if shape is anthropic_error:
                check_anthropic_key(headers)
                limit = query.get("limit", "20")
                return catalog.anthropic_list(
                    int(limit) if limit.isdigit() else 20, query.get("after_id")
                )
            check_openai_key(headers)
            return catalog.openai_list()

        return self._handler.serve(request, shape, endpoint)

    @app.route("/v1/models/<path:name>", methods=["GET"])
    @app.route("/v1beta/models/<path:name>", methods=["GET"])
    @app.route("/api/anthropic/v1/models/<path:name>", methods=["GET"])
    def model(self, request: Request, name: str) -> Result:
        """Describe one model."""
        shape = find_error_renderer(request)

        def endpoint(headers: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
            if shape is google_error:
                check_google_key(request, headers)
                return catalog.gemini_model(check_gemini_model(name))
            if shape is anthropic_error:
                check_anthropic_key(headers)
                if name.startswith("no-such"):
                    raise ApiError(404, f"model: {name}")
                return catalog.anthropic_model(name)
            check_openai_key(headers)
            return catalog.openai_model(check_openai_model({"model": name}))

        return self._handler.serve(request, shape, endpoint)

    # MCP

    @app.route("/api/mcp/<server>/mcp", methods=["GET", "POST", "DELETE"])
    def mcp(self, request: Request, server: str) -> Result:
        """Serve the remote MCP servers."""

        def endpoint(headers: dict[str, str], _: dict[str, Any]) -> Result:
            key = bearer(headers)
            if not key:
                raise ApiError(401, "Unauthorized")
            check_key(key)
            if server not in mcp.TOOLS:
                raise ApiError(404)
            method = request.method.decode("ascii")
            reply = mcp.handle(self.state, server, method, headers, content_of(request))
            request.setResponseCode(reply.status)
            if reply.body:
                request.setHeader(b"content-type", reply.content_type.encode("ascii"))
            if reply.session:
                request.setHeader(b"mcp-session-id", reply.session.encode("ascii"))
            return reply.body

        return self._handler.serve(request, openai_error, endpoint)

    # The simulator itself

    @app.route("/healthz", methods=["GET"])
    def healthz(self, request: Request) -> bytes:
        """Report health."""
        return send(request, HttpResponse(200, (), {"status": "ok"}))

    @app.route("/_simulator/requests", methods=["GET"])
    def requests(self, request: Request) -> bytes:
        """List the logged requests."""
        entries = [asdict(entry) for entry in self.state.log]
        return send(request, HttpResponse(200, (), {"requests": entries}))

    @app.route("/_simulator/requests", methods=["DELETE"])
    def forget_requests(self, request: Request) -> bytes:
        """Clear the logged requests."""
        self.state.log.clear()
        return send(request, HttpResponse(200, (), {"requests": []}))

    @app.route("/_simulator/stats", methods=["GET"])
    def stats(self, request: Request) -> bytes:
        """Return the counters."""
        return send(request, HttpResponse(200, (), asdict(self.state.stats)))

    # Errors

    @app.handle_errors(HTTPException)
    def no_route(self, request: Any, failure: Failure) -> Any:
        """Refuse a path or a method that does not exist."""
        assert isinstance(failure.value, HTTPException)
        status = failure.value.code or 400
        method = request.method.decode("latin-1")
        text = f"Invalid URL ({method} {path_of(request)})"
        if status == 405:
            text = f"Not allowed to {method} on {path_of(request)}"
        return self._handler.refuse(request, ApiError(status, text))
