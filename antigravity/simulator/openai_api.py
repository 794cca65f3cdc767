"""OpenAI's side of the simulator: keys, chats, completions and responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.audio_api import AudioApi
from antigravity.simulator.embeddings_api import EmbeddingsApi
from antigravity.simulator.encoders.events import Context, sse
from antigravity.simulator.encoders.responses import events, output, reply
from antigravity.simulator.errors import ApiError, Headers, openai_error
from antigravity.simulator.images_api import ImagesApi
from antigravity.simulator.multipart import is_multipart
from antigravity.simulator.parsers import chat as read_chat
from antigravity.simulator.parsers import responses as read_responses
from antigravity.simulator.request_handler import Intake, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.script import Script
from antigravity.simulator.state import State, check_key
from antigravity.simulator.stored_responses import Kept, StoredResponses, queued
from antigravity.simulator.validation import chat as strict_chat
from antigravity.simulator.validation import responses as strict_responses


def check_openai_key(headers: dict[str, str]) -> str:
    """Return the key; refuse a missing or a bad one.

    :raises ApiError: as the service words it.
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
    """Answers as OpenAI does."""

    def __init__(self, state: State, intake: Intake, exchange: Responder) -> None:
        self._state = state
        self._intake = intake
        self._exchange = exchange
        self._embeddings = EmbeddingsApi(exchange)
        self._images = ImagesApi(exchange)
        self._audio = AudioApi(exchange)
        self._stored = StoredResponses()

    def chat(self, request: Request, lenient: bool = False) -> Result:
        """Answer a chat; compatible services are lenient."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body = strict_chat.check(body, lenient)
            view = read_chat.read(body)
            return self._exchange.run(
                request, wire_formats.CHAT, view, bool(body.get("stream")), key, self._headers()
            )

        return self._intake.serve(request, openai_error, work)

    def completion(self, request: Request) -> Result:
        """Answer a legacy completion."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body = strict_chat.check_completion(body)
            view = read_chat.read_completion(body)
            stream = bool(body.get("stream"))
            return self._exchange.run(
                request, wire_formats.COMPLETIONS, view, stream, key, self._headers()
            )

        return self._intake.serve(request, openai_error, work)

    def response(self, request: Request) -> Result:
        """Answer a response; what is stored can be continued."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            body, items = self._check_response(body, key)
            view = read_responses.read(body, items)
            background = body.get("background") is True

            def keep(script: Script, context: Context) -> None:
                if body.get("store") is False:
                    return
                made = output(script, context)
                whole = {**reply(script, context), "background": background}
                told = b"".join(piece for piece, _ in sse(events(script, context)))
                self._stored.kept.put(whole["id"], Kept(key, items, made, whole, told))
                for item in made:
                    self._state.items.put(item["id"], True)

            dialect = wire_formats.RESPONSES
            if background:
                dialect = replace(dialect, reply=lambda *made: queued(reply(*made)))
            stream = bool(body.get("stream"))
            return self._exchange.run(request, dialect, view, stream, key, self._headers(), keep)

        return self._intake.serve(request, openai_error, work)

    def embeddings(self, request: Request) -> Result:
        """Answer with vectors."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            return self._embeddings.openai(request, body, key, self._headers())

        return self._intake.serve(request, openai_error, work)

    def images(self, request: Request, *, edit: bool) -> Result:
        """Draw, from words alone or from images."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            form = is_multipart(headers.get("content-type", ""))
            if form and not edit:
                raise ApiError(400, "Unsupported content type: 'multipart/form-data'.")
            return self._images.openai(request, body, key, self._headers(), form=form, edit=edit)

        return self._intake.serve(request, openai_error, work)

    def hear(self, request: Request, english: bool) -> Result:
        """Answer with a transcript, or a translation."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            if not is_multipart(headers.get("content-type", "")):
                raise ApiError(400, "Could not parse multipart form")
            return self._audio.hear(request, body, key, self._headers(), english=english)

        return self._intake.serve(request, openai_error, work)

    def speak(self, request: Request) -> Result:
        """Answer with sound."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_openai_key(headers)
            return self._audio.speak(request, body, key, self._headers())

        return self._intake.serve(request, openai_error, work)

    def stored(self, request: Request, name: str, what: str = "") -> Result:
        """Answer what is asked about a response."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any] | bytes:
            return self._stored.answer(request, check_openai_key(headers), name, what)

        return self._intake.serve(request, openai_error, work)

    def input_tokens(self, request: Request) -> Result:
        """Count the tokens of the input of a response."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
            key = check_openai_key(headers)
            body, items = self._check_response(body, key)
            counted = read_responses.read(body, items).count_tokens()
            return {"object": "response.input_tokens", "input_tokens": counted}

        return self._intake.serve(request, openai_error, work)

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

        return strict_responses.check(body, find_earlier, self._state.items.__contains__)
