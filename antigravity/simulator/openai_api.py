"""The endpoints of OpenAI: keys, chat completions, completions and responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.audio_api import AudioApi
from antigravity.simulator.embeddings_api import EmbeddingsApi
from antigravity.simulator.encoders.events import Context, sse
from antigravity.simulator.encoders.responses import encode_events, encode_output, encode_response
from antigravity.simulator.errors import ApiError, Headers, openai_error
from antigravity.simulator.images_api import ImagesApi
from antigravity.simulator.multipart import is_multipart
from antigravity.simulator.parsers import chat as chat_parser
from antigravity.simulator.parsers import responses as responses_parser
from antigravity.simulator.request_handler import RequestHandler, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.script import Script
from antigravity.simulator.state import State, check_key
from antigravity.simulator.stored_responses import StoredResponse, StoredResponses, as_queued
from antigravity.simulator.validation import chat as chat_validation
from antigravity.simulator.validation import responses as responses_validation


def check_openai_key(headers: dict[str, str]) -> str:
    """Return the API key of a request.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = bearer(headers)
    if not key:
        raise ApiError(
            401,
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if key.startswith("bad-"):
        raise ApiError(
            401,
            f"Incorrect API key provided: {key[:8]}***. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            code="invalid_api_key",
        )
    check_key(key)
    return key


class OpenAiApi:
    """OpenAI's APIs."""

    def __init__(self, state: State, handler: RequestHandler, responder: Responder) -> None:
        self._state = state
        self._handler = handler
        self._responder = responder
        self._embeddings = EmbeddingsApi(responder)
        self._images = ImagesApi(responder)
        self._audio = AudioApi(responder)
        self._stored = StoredResponses()

    def chat(self, request: Request, lenient: bool = False) -> Result:
        """Respond to a chat completion; compatible services are lenient."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body = chat_validation.check(body, lenient)
            view = chat_parser.parse(body)
            return self._responder.respond(
                request, wire_formats.CHAT, view, bool(body.get("stream")), key, self._headers()
            )

        return self._handler.serve(request, openai_error, endpoint)

    def completion(self, request: Request) -> Result:
        """Respond to a legacy completion."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body = chat_validation.check_completion(body)
            view = chat_parser.parse_completion(body)
            stream = bool(body.get("stream"))
            return self._responder.respond(
                request, wire_formats.COMPLETIONS, view, stream, key, self._headers()
            )

        return self._handler.serve(request, openai_error, endpoint)

    def response(self, request: Request) -> Result:
        """Create a response, and store it."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body, items = self._check_response(body, key)
            view = responses_parser.parse(body, items)
            background = body.get("background") is True

            def store(script: Script, context: Context) -> None:
                if body.get("store") is False:
                    return
                made = encode_output(script, context)
                whole = {**encode_response(script, context), "background": background}
                stream_body = b"".join(piece for piece, _ in sse(encode_events(script, context)))
                self._stored.responses.put(
                    whole["id"], StoredResponse(key, items, made, whole, stream_body)
                )
                for item in made:
                    self._state.items.put(item["id"], True)

            wire_format = wire_formats.RESPONSES
            if background:
                wire_format = replace(
                    wire_format, encode_response=lambda *made: as_queued(encode_response(*made))
                )
            stream = bool(body.get("stream"))
            return self._responder.respond(
                request, wire_format, view, stream, key, self._headers(), store
            )

        return self._handler.serve(request, openai_error, endpoint)

    def embeddings(self, request: Request) -> Result:
        """Respond with vectors."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            return self._embeddings.openai(request, body, key, self._headers())

        return self._handler.serve(request, openai_error, endpoint)

    def images(self, request: Request, *, edit: bool) -> Result:
        """Generate or edit images."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            form = is_multipart(headers.get("content-type", ""))
            if form and not edit:
                raise ApiError(400, "Unsupported content type: 'multipart/form-data'.")
            return self._images.openai(request, body, key, self._headers(), form=form, edit=edit)

        return self._handler.serve(request, openai_error, endpoint)

    def transcribe(self, request: Request, english: bool) -> Result:
        """Respond with a transcript, or a translation."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            if not is_multipart(headers.get("content-type", "")):
                raise ApiError(400, "Could not parse multipart form")
            return self._audio.transcribe(request, body, key, self._headers(), english=english)

        return self._handler.serve(request, openai_error, endpoint)

    def speak(self, request: Request) -> Result:
        """Respond with speech."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            return self._audio.speak(request, body, key, self._headers())

        return self._handler.serve(request, openai_error, endpoint)

    def stored(self, request: Request, name: str, operation: str = "") -> Result:
        """Serve an operation on a stored response."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any] | bytes:
            return self._stored.serve(request, check_openai_key(headers), name, operation)

        return self._handler.serve(request, openai_error, endpoint)

    def input_tokens(self, request: Request) -> Result:
        """Count the tokens of the input of a response."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
            key = check_openai_key(headers)
            body, items = self._check_response(body, key)
            counted = responses_parser.parse(body, items).count_tokens()
            return {"object": "response.input_tokens", "input_tokens": counted}

        return self._handler.serve(request, openai_error, endpoint)

    def _headers(self) -> Headers:
        return (
            ("x-request-id", f"req_sim{self._state.next_number():08d}"),
            ("openai-version", "2020-10-01"),
        )

    def _check_response(self, body: dict[str, Any], key: str) -> tuple[dict[str, Any], list[Any]]:
        def find_earlier(name: str) -> list[Any]:
            found = self._stored.find(name, key)
            if found is None:
                raise ApiError(
                    400,
                    f"Previous response with id '{name}' not found.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            return found.conversation

        return responses_validation.check(body, find_earlier, self._state.items.__contains__)
