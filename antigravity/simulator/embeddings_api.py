"""The endpoints of OpenAI and Google for embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.embeddings import (
    EmbeddingInput,
    build_view,
    encode_gemini_vectors,
    encode_openai_vectors,
)
from antigravity.simulator.errors import Headers
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation import embeddings as validation

#: The verbs of the Gemini API.
VERBS = ("embedContent", "batchEmbedContents")


class EmbeddingsApi:
    """Embeddings, after the API key was checked."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def openai(self, request: Request, body: dict[str, Any], key: str, headers: Headers) -> Result:
        """Respond in OpenAI's format."""
        inputs = validation.check_openai(body)
        form = str(body.get("encoding_format") or "float")
        response = encode_openai_vectors(body["model"], inputs, form)
        return self._run(request, wire_formats.CHAT, inputs, body, response, key, headers)

    def gemini(
        self, request: Request, model: str, verb: str, body: dict[str, Any], key: str
    ) -> Result:
        """Respond in Google's format."""
        batch = verb == "batchEmbedContents"
        inputs = validation.check_gemini(model, body, batch)
        response = encode_gemini_vectors(model, inputs, batch)
        return self._run(request, wire_formats.GEMINI, inputs, body, response, key)

    def _run(
        self,
        request: Request,
        wire_format: wire_formats.WireFormat,
        inputs: Sequence[EmbeddingInput],
        body: dict[str, Any],
        response: dict[str, Any],
        key: str,
        headers: Headers = (),
    ) -> Result:
        """Respond with the vectors, unless directives in the texts say otherwise."""
        whole = replace(wire_format, encode_response=lambda *_: response)
        view = build_view(str(body.get("model", "")), inputs, body)
        return self._responder.respond(request, whole, view, False, key, headers)
