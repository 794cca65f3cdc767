"""Google's side of the simulator: the Gemini API, ``v1internal`` and OAuth."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from twisted.web.server import Request

from antigravity.simulator import google_accounts, wire_formats
from antigravity.simulator.embeddings_api import VERBS, EmbeddingsApi
from antigravity.simulator.errors import ApiError, google_error
from antigravity.simulator.images_api import ImagesApi
from antigravity.simulator.parsers import gemini as read_gemini
from antigravity.simulator.request_handler import Intake, alt_of, bearer, query_of
from antigravity.simulator.responder import Responder, Result, send
from antigravity.simulator.state import Account, State, check_key
from antigravity.simulator.validation import code_assist as strict_codeassist
from antigravity.simulator.validation import gemini as strict_gemini
from antigravity.simulator.validation.gemini_contents import check_contents
from antigravity.simulator.validation.gemini_models import check_model
from antigravity.simulator.validation.gemini_schema import COUNT_REQUEST
from antigravity.simulator.validation.google_errors import read_body

_LOOPBACK: Final = ("http://127.0.0.1", "http://[::1]", "http://localhost")


def check_google_key(request: Request, headers: dict[str, str]) -> str:
    """Return the key; refuse a missing or a bad one.

    :raises ApiError: as the service words it.
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
    """Answers as Google's services do."""

    def __init__(
        self, state: State, intake: Intake, exchange: Responder, raw_schemas: bool
    ) -> None:
        self._state = state
        self._intake = intake
        self._exchange = exchange
        self._embeddings = EmbeddingsApi(exchange)
        self._images = ImagesApi(exchange)
        self._raw_schemas = raw_schemas

    def gemini(self, request: Request, target: str) -> Result:
        """Generate, count and embed, by the verb after the model's name."""
        name, _, verb = target.rpartition(":")

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result | dict[str, Any]:
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
            view = read_gemini.read(model, strict_gemini.check(model, body), body)
            dialect = wire_formats.GEMINI if alt_of(request) == "sse" else wire_formats.GEMINI_ARRAY
            stream = verb == "streamGenerateContent"
            return self._exchange.run(request, dialect, view, stream, key)

        return self._intake.serve(request, google_error, work)

    def internal(self, request: Request, verb: str) -> Result:
        """Answer at ``v1internal``."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result | dict[str, Any]:
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
                    inner = strict_codeassist.open_count(body)
                    return {"totalTokens": read_gemini.read("", inner, body).count_tokens()}
                case "generateContent" | "streamGenerateContent":
                    return self._generate(request, account, body, verb)
            raise ApiError(404)

        return self._intake.serve(request, google_error, work)

    def _generate(
        self, request: Request, account: Account, body: dict[str, Any], verb: str
    ) -> Result:
        model, inner = strict_codeassist.open_envelope(body, account.project, self._raw_schemas)
        view = read_gemini.read(model, inner, body)
        sse = alt_of(request) == "sse"
        return self._exchange.run(
            request,
            wire_formats.CODE_ASSIST if sse else wire_formats.CODE_ASSIST_ARRAY,
            view,
            verb == "streamGenerateContent",
            account.refresh_token,
            (("x-cloudaicompanion-trace-id", f"simtrace{self._state.next_number():08d}"),),
        )

    def token(self, request: Request) -> Result:
        """Give an access token."""

        def work(_: dict[str, str], body: dict[str, Any]) -> Result:
            answer = google_accounts.token(self._state, body)
            self._state.stats.refused += answer.status >= 400
            return send(request, answer)

        return self._intake.serve(request, google_error, work)

    def authorize(self, request: Request) -> Result:
        """Consent at once, and send the browser back with a code."""
        query = query_of(request)

        def work(_: dict[str, str], __: dict[str, Any]) -> Result:
            target = query.get("redirect_uri", "")
            if not target.startswith(_LOOPBACK):
                raise ApiError(400, "redirect_uri_mismatch")
            code = f"sim-code-{self._state.next_number():08d}"
            self._state.keep_challenge(code, query.get("code_challenge", ""))
            mark = "&" if "?" in target else "?"
            place = f"{target}{mark}code={code}&state={quote(query.get('state', ''), safe='')}"
            request.setResponseCode(302)
            request.setHeader(b"location", place.encode("utf-8"))
            return b""

        return self._intake.serve(request, google_error, work)

    def user_info(self, request: Request) -> Result:
        """Say whose access token it is."""

        def work(headers: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
            return google_accounts.user_info(self._state.account(bearer(headers)))

        return self._intake.serve(request, google_error, work)


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
    total = read_gemini.read(model, found, raw).count_tokens()
    details = [{"modality": "TEXT", "tokenCount": total}]
    return {"totalTokens": total, "promptTokensDetails": details}
