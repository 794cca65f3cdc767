"""The endpoints of Google: the Gemini API, ``v1internal`` and OAuth."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from twisted.web.server import Request

from antigravity.simulator import google_accounts, wire_formats
from antigravity.simulator.embeddings_api import VERBS, EmbeddingsApi
from antigravity.simulator.errors import ApiError, google_error
from antigravity.simulator.images_api import ImagesApi
from antigravity.simulator.parsers import gemini as gemini_parser
from antigravity.simulator.request_handler import RequestHandler, alt_of, bearer, query_of
from antigravity.simulator.responder import Responder, Result, send
from antigravity.simulator.state import Account, State, check_key
from antigravity.simulator.validation import code_assist
from antigravity.simulator.validation import gemini as gemini_validation
from antigravity.simulator.validation.gemini_contents import check_contents
from antigravity.simulator.validation.gemini_models import check_model
from antigravity.simulator.validation.gemini_schema import COUNT_REQUEST
from antigravity.simulator.validation.google_errors import read_body

_LOOPBACK: Final = ("http://127.0.0.1", "http://[::1]", "http://localhost")


def check_google_key(request: Request, headers: dict[str, str]) -> str:
    """Return the API key of a request.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = headers.get("x-goog-api-key") or query_of(request).get("key", "")
    if not key:
        raise ApiError(
            401,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )
    check_key(key)
    return key


class GoogleApi:
    """The Gemini API, Code Assist and OAuth."""

    def __init__(
        self, state: State, handler: RequestHandler, responder: Responder, raw_schemas: bool
    ) -> None:
        self._state = state
        self._handler = handler
        self._responder = responder
        self._embeddings = EmbeddingsApi(responder)
        self._images = ImagesApi(responder)
        self._raw_schemas = raw_schemas

    def gemini(self, request: Request, target: str) -> Result:
        """Generate, count tokens or embed, according to the verb after the model's name."""
        name, _, verb = target.rpartition(":")

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result | dict[str, Any]:
            key = check_google_key(request, headers)
            model = check_model(name)
            if verb == "countTokens":
                return _count(model, body)
            if verb in VERBS:
                return self._embeddings.gemini(request, model, verb, body, key)
            if verb == "predict":
                return self._images.predict(request, model, body, key)
            if verb not in ("generateContent", "streamGenerateContent"):
                raise ApiError(404)
            view = gemini_parser.parse(model, gemini_validation.check(model, body), body)
            wire_format = (
                wire_formats.GEMINI if alt_of(request) == "sse" else wire_formats.GEMINI_ARRAY
            )
            stream = verb == "streamGenerateContent"
            return self._responder.respond(request, wire_format, view, stream, key)

        return self._handler.serve(request, google_error, endpoint)

    def internal(self, request: Request, verb: str) -> Result:
        """Serve a verb of ``v1internal``."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result | dict[str, Any]:
            account = self._state.account(bearer(headers))
            match verb:
                case "loadCodeAssist":
                    return google_accounts.load_code_assist(self._state, account, body)
                case "onboardUser":
                    return google_accounts.onboard_user(self._state, account, body)
                case "fetchAvailableModels":
                    return google_accounts.fetch_models(self._state, account)
                case "retrieveUserQuotaSummary":
                    return google_accounts.quota(self._state, account)
            check_key(account.refresh_token)
            match verb:
                case "countTokens":
                    inner = code_assist.unwrap_count_request(body)
                    return {"totalTokens": gemini_parser.parse("", inner, body).count_tokens()}
                case "generateContent" | "streamGenerateContent":
                    return self._generate(request, account, body, verb)
            raise ApiError(404)

        return self._handler.serve(request, google_error, endpoint)

    def _generate(
        self, request: Request, account: Account, body: dict[str, Any], verb: str
    ) -> Result:
        model, inner = code_assist.unwrap_request(body, account.project, self._raw_schemas)
        view = gemini_parser.parse(model, inner, body)
        sse = alt_of(request) == "sse"
        return self._responder.respond(
            request,
            wire_formats.CODE_ASSIST if sse else wire_formats.CODE_ASSIST_ARRAY,
            view,
            verb == "streamGenerateContent",
            account.refresh_token,
            (("x-cloudaicompanion-trace-id", f"simtrace{self._state.next_number():08d}"),),
        )

    def token(self, request: Request) -> Result:
        """Issue an access token."""

        def endpoint(_: dict[str, str], body: dict[str, Any]) -> Result:
            response = google_accounts.token(self._state, body)
            self._state.stats.refused += response.status >= 400
            return send(request, response)

        return self._handler.serve(request, google_error, endpoint)

    def authorize(self, request: Request) -> Result:
        """Redirect the browser back with an authorization code."""
        query = query_of(request)

        def endpoint(_: dict[str, str], __: dict[str, Any]) -> Result:
            target = query.get("redirect_uri", "")
            if not target.startswith(_LOOPBACK):
                raise ApiError(400, "redirect_uri_mismatch")
            code = f"sim-code-{self._state.next_number():08d}"
            self._state.store_challenge(code, query.get("code_challenge", ""))
            mark = "&" if "?" in target else "?"
            place = f"{target}{mark}code={code}&state={quote(query.get('state', ''), safe='')}"
            request.setResponseCode(302)
            request.setHeader(b"location", place.encode("utf-8"))
            return b""

        return self._handler.serve(request, google_error, endpoint)

    def user_info(self, request: Request) -> Result:
        """Return the profile of the access token's account."""

        def endpoint(headers: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
            return google_accounts.user_info(self._state.account(bearer(headers)))

        return self._handler.serve(request, google_error, endpoint)


def _count(model: str, raw: dict[str, Any]) -> dict[str, Any]:
    body = read_body(raw, COUNT_REQUEST)
    inner = body.get("generateContentRequest")
    if inner is not None and "contents" in body:
        raise ApiError(400, "Only one of contents and generate_content_request may be set.")
    if inner is not None and not inner.get("model"):
        raise ApiError(
            400, "* CountTokensRequest.generate_content_request.model: model is not specified\n"
        )
    found = inner or body
    check_contents(model, found)
    total = gemini_parser.parse(model, found, raw).count_tokens()
    details = [{"modality": "TEXT", "tokenCount": total}]
    return {"totalTokens": total, "promptTokensDetails": details}
