"""The endpoints of Google: the Gemini API, ``v1internal`` and OAuth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from antigravity.simulator import embeddings, google_accounts, wire_formats
from antigravity.simulator.errors import ApiError
from antigravity.simulator.parsers import gemini as gemini_parser
from antigravity.simulator.request_handler import Call, alt_of, bearer, query_of
from antigravity.simulator.responder import Responder, Result, send
from antigravity.simulator.state import Account, State, check_key
from antigravity.simulator.validation import code_assist
from antigravity.simulator.validation import embeddings as embeddings_validation
from antigravity.simulator.validation import gemini as gemini_validation
from antigravity.simulator.validation.gemini_contents import check_contents
from antigravity.simulator.validation.gemini_models import check_generates, check_model
from antigravity.simulator.validation.gemini_schema import COUNT_REQUEST
from antigravity.simulator.validation.google_errors import read_body
from antigravity.simulator.validation.images import check_predict

_LOOPBACK: Final = ("http://127.0.0.1", "http://[::1]", "http://localhost")


def check_google_key(call: Call) -> str:
    """Return the API key of a call.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = call.headers.get("x-goog-api-key") or query_of(call.request).get("key", "")
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

    def __init__(self, state: State, responder: Responder, raw_schemas: bool) -> None:
        self._state = state
        self._responder = responder
        self._raw_schemas = raw_schemas

    def gemini(self, call: Call, target: str) -> Result | dict[str, Any]:
        """Generate, count tokens or embed, according to the verb after the model's name."""
        name, _, verb = target.rpartition(":")
        model, body = check_model(name), call.body
        match verb:
            case "countTokens":
                return _count(model, body)
            case "embedContent" | "batchEmbedContents":
                return self._embed(call, model, batch=verb == "batchEmbedContents")
            case "predict":
                view = check_predict(model, body)
                return self._responder.respond(
                    call.request, wire_formats.PREDICT, view, False, call.key
                )
            case "generateContent" | "streamGenerateContent":
                check_generates(model)
                view = gemini_parser.parse(model, gemini_validation.check(model, body), body)
                sse = alt_of(call.request) == "sse"
                wire_format = wire_formats.GEMINI if sse else wire_formats.GEMINI_ARRAY
                stream = verb == "streamGenerateContent"
                return self._responder.respond(call.request, wire_format, view, stream, call.key)
        raise ApiError(404)

    def _embed(self, call: Call, model: str, batch: bool) -> Result:
        inputs = embeddings_validation.check_gemini(model, call.body, batch)
        vectors = embeddings.encode_gemini_vectors(model, inputs, batch)
        wire_format = replace(wire_formats.GEMINI, encode_response=lambda *_: vectors)
        view = embeddings.build_view(model, inputs, call.body)
        return self._responder.respond(call.request, wire_format, view, False, call.key)

    def internal(self, call: Call, verb: str) -> Result | dict[str, Any]:
        """Serve a verb of ``v1internal``."""
        account = self._state.account(bearer(call.headers))
        match verb:
            case "loadCodeAssist":
                return google_accounts.load_code_assist(self._state, account, call.body)
            case "onboardUser":
                return google_accounts.onboard_user(self._state, account, call.body)
            case "fetchAvailableModels":
                return google_accounts.fetch_models(self._state, account)
            case "retrieveUserQuotaSummary":
                return google_accounts.quota(self._state, account)
        check_key(account.refresh_token)
        match verb:
            case "countTokens":
                inner = code_assist.unwrap_count_request(call.body)
                return {"totalTokens": gemini_parser.parse("", inner, call.body).count_tokens()}
            case "generateContent" | "streamGenerateContent":
                return self._generate(call, account, verb)
        raise ApiError(404)

    def _generate(self, call: Call, account: Account, verb: str) -> Result:
        model, inner = code_assist.unwrap_request(call.body, account.project, self._raw_schemas)
        view = gemini_parser.parse(model, inner, call.body)
        sse = alt_of(call.request) == "sse"
        return self._responder.respond(
            call.request,
            wire_formats.CODE_ASSIST if sse else wire_formats.CODE_ASSIST_ARRAY,
            view,
            verb == "streamGenerateContent",
            account.refresh_token,
            (("x-cloudaicompanion-trace-id", f"simtrace{self._state.next_number():08d}"),),
        )

    def token(self, call: Call) -> Result:
        """Issue an access token."""
        response = google_accounts.token(self._state, call.body)
        self._state.stats.refused += response.status >= 400
        return send(call.request, response)

    def authorize(self, call: Call) -> Result:
        """Redirect the browser back with an authorization code."""
        query = query_of(call.request)
        target = query.get("redirect_uri", "")
        if not target.startswith(_LOOPBACK):
            raise ApiError(400, "redirect_uri_mismatch")
        code = f"sim-code-{self._state.next_number():08d}"
        self._state.store_challenge(code, query.get("code_challenge", ""))
        mark = "&" if "?" in target else "?"
        place = f"{target}{mark}code={code}&state={quote(query.get('state', ''), safe='')}"
        call.request.setResponseCode(302)
        call.request.setHeader(b"location", place.encode("utf-8"))
        return b""

    def user_info(self, call: Call) -> dict[str, Any]:
        """Return the profile of the access token's account."""
        return google_accounts.user_info(self._state.account(bearer(call.headers)))


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
