"""The endpoints of OpenAI: keys, chat completions, responses, embeddings, images and audio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from antigravity.simulator import compaction, embeddings, wire_formats
from antigravity.simulator.encoders.events import Context, sse
from antigravity.simulator.encoders.responses import (
    encode_events,
    encode_output,
    encode_response,
    encode_usage,
)
from antigravity.simulator.errors import ApiError
from antigravity.simulator.multipart import is_multipart
from antigravity.simulator.parsers import chat as chat_parser
from antigravity.simulator.parsers import responses as responses_parser
from antigravity.simulator.request_handler import Call, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.responses_socket import is_upgrade, upgrade
from antigravity.simulator.script import Script, as_prewarm
from antigravity.simulator.state import State, check_key
from antigravity.simulator.stored_responses import StoredResponse, StoredResponses, as_queued
from antigravity.simulator.validation import chat as chat_validation
from antigravity.simulator.validation import embeddings as embeddings_validation
from antigravity.simulator.validation import images as images_validation
from antigravity.simulator.validation import openai_audio
from antigravity.simulator.validation import responses as responses_validation
from antigravity.simulator.validation.compatible_services import (
    check_service,
    is_compatible_service,
)
from antigravity.simulator.view import View
from antigravity.simulator.wire_formats import WireFormat

_TEXT_FORMATS: Final = ("text", "srt", "vtt")


def check_openai_key(call: Call) -> str:
    """Return the API key of a call.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = bearer(call.headers)
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

    def __init__(self, state: State, responder: Responder) -> None:
        self._state = state
        self._responder = responder
        self._stored = StoredResponses()

    def chat(self, call: Call, lenient: bool = False) -> Result:
        """Respond to a chat completion; compatible services accept unknown fields.

        The host that the request names decides what a compatible service refuses.
        """
        host = call.headers.get("host", "")
        body = chat_validation.check(call.body, lenient or is_compatible_service(host))
        check_service(host, call.body)
        return self._respond(call, wire_formats.CHAT, chat_parser.parse(body), body.get("stream"))

    def completion(self, call: Call) -> Result:
        """Respond to a legacy completion."""
        body = chat_validation.check_completion(call.body)
        view = chat_parser.parse_completion(body)
        return self._respond(call, wire_formats.COMPLETIONS, view, body.get("stream"))

    def response(self, call: Call) -> Result:
        """Create a response, and store it."""
        body, items = self._check_response(call)
        view = responses_parser.parse(body, items)
        if not self._state.compacts:
            compaction.refuse_forms(body, items)
        compacted = "only" if compaction.check_triggers(items) else ""
        if not compacted and compaction.exceeds_threshold(body, view):
            compacted = "first"
        background = body.get("background") is True
        turn = call.turn
        prewarms = turn is not None and not turn.generate

        def shape(script: Script) -> Script:
            if prewarms:
                return as_prewarm(script)
            return replace(script, compaction=compacted)

        def store(script: Script, context: Context) -> None:
            script = shape(script)
            made = encode_output(script, context)
            kept = [item for item in items if item.get("type") != "compaction_trigger"]
            if turn is not None:
                turn.remember(encode_response(script, context)["id"], [*kept, *made])
            if body.get("store") is False:
                return
            whole = {**encode_response(script, context), "background": background}
            stream = b"".join(chunk for chunk, _ in sse(encode_events(script, context)))
            stored = StoredResponse(call.key, kept, made, whole, stream)
            self._stored.responses.put(whole["id"], stored)
            for item in made:
                self._state.items.put(item["id"], True)

        wire_format = wire_formats.RESPONSES
        if compacted or prewarms:
            wire_format = replace(
                wire_format,
                encode_response=lambda s, c: encode_response(shape(s), c),
                encode_events=lambda s, c: encode_events(shape(s), c),
            )
        if background:
            wire_format = replace(
                wire_format, encode_response=lambda *made: as_queued(encode_response(*made))
            )
        return self._respond(call, wire_format, view, body.get("stream"), store)

    def connect(self, call: Call) -> Any:
        """Accept a WebSocket, whose messages are requests for responses."""
        if not is_upgrade(call.headers):
            raise ApiError(405, "Not allowed to GET on /v1/responses")
        return upgrade(self._state, self.response, call)

    def compact(self, call: Call) -> Result:
        """Return the input of a response, compacted."""
        if not self._state.compacts:
            raise ApiError(404, "Invalid URL (POST /v1/responses/compact)")
        compaction.check_fields(call.body)
        body, items = self._check_response(call, unanswered=True)

        def encode(script: Script, context: Context) -> dict[str, Any]:
            return compaction.encode_endpoint(items, encode_usage(script), script, context)

        wire_format = replace(wire_formats.RESPONSES, encode_response=encode)
        return self._respond(call, wire_format, responses_parser.parse(body, items), stream=False)

    def input_tokens(self, call: Call) -> dict[str, Any]:
        """Count the tokens of the input of a response."""
        counted = responses_parser.parse(*self._check_response(call)).count_tokens()
        return {"object": "response.input_tokens", "input_tokens": counted}

    def stored(self, call: Call, name: str, operation: str = "") -> dict[str, Any] | bytes:
        """Serve an operation on a stored response."""
        return self._stored.serve(call.request, call.key, name, operation)

    def embeddings(self, call: Call) -> Result:
        """Respond with vectors."""
        body = call.body
        inputs = embeddings_validation.check_openai(body)
        encoding = str(body.get("encoding_format") or "float")
        vectors = embeddings.encode_openai_vectors(body["model"], inputs, encoding)
        wire_format = replace(wire_formats.CHAT, encode_response=lambda *_: vectors)
        return self._respond(
            call, wire_format, embeddings.build_view(body["model"], inputs, body), stream=False
        )

    def images(self, call: Call, *, edit: bool = False) -> Result:
        """Generate or edit images."""
        form = is_multipart(call.headers.get("content-type", ""))
        if form and not edit:
            raise ApiError(400, "Unsupported content type: 'multipart/form-data'.")
        view = images_validation.check(call.body, form, edit)
        return self._respond(call, wire_formats.IMAGES, view, view.body["stream"])

    def transcribe(self, call: Call, *, english: bool = False) -> Result:
        """Respond with a transcript, or with a translation into English."""
        if not is_multipart(call.headers.get("content-type", "")):
            raise ApiError(400, "Could not parse multipart form")
        view = openai_audio.check_recording(call.body, english)
        wire_format = wire_formats.TRANSCRIPT
        if call.body.get("response_format") in _TEXT_FORMATS:
            wire_format = replace(wire_format, whole_type="text/plain; charset=utf-8")
        return self._respond(call, wire_format, view, view.body["stream"])

    def speak(self, call: Call) -> Result:
        """Respond with speech."""
        view = openai_audio.check_speech(call.body)
        wire_format = wire_formats.SPEECH_EVENTS
        if view.body.get("stream_format") != "sse":
            media_type = openai_audio.MEDIA_TYPES[view.body.get("response_format", "mp3")]
            wire_format = replace(wire_formats.SPEECH_BYTES, stream_type=media_type)
        return self._respond(call, wire_format, view, stream=True)

    def _respond(
        self,
        call: Call,
        wire_format: WireFormat,
        view: View,
        stream: Any,
        done: Callable[[Script, Context], None] = lambda *_: None,
    ) -> Result:
        headers = (
            ("x-request-id", f"req_sim{self._state.next_number():08d}"),
            ("openai-version", "2020-10-01"),
        )
        return self._responder.respond(
            call.request, wire_format, view, bool(stream), call.key, headers, done
        )

    def _check_response(
        self, call: Call, *, unanswered: bool = False
    ) -> tuple[dict[str, Any], list[Any]]:
        def find_earlier(name: str) -> list[Any]:
            remembered = None if call.turn is None else call.turn.find(name)
            if remembered is not None:
                return remembered
            found = self._stored.find(name, call.key)
            if found is None:
                raise ApiError(
                    400,
                    f"Previous response with id '{name}' not found.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            return found.conversation

        return responses_validation.check(
            call.body, find_earlier, self._state.items.__contains__, unanswered=unanswered
        )
