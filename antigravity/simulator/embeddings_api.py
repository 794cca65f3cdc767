"""Vectors at OpenAI's and at Google's address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.embeddings import Input, gemini_answer, openai_answer, view_of
from antigravity.simulator.errors import Headers
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.validation import embeddings as strict

#: The verbs of the Gemini API.
VERBS = ("embedContent", "batchEmbedContents")


class EmbeddingsApi:
    """Answers requests for vectors whose keys are good."""

    def __init__(self, exchange: Responder) -> None:
        self._exchange = exchange

    def openai(self, request: Request, body: dict[str, Any], key: str, headers: Headers) -> Result:
        """Answer as OpenAI does."""
        inputs = strict.check_openai(body)
        form = str(body.get("encoding_format") or "float")
        answer = openai_answer(body["model"], inputs, form)
        return self._run(request, wire_formats.CHAT, inputs, body, answer, key, headers)

    def gemini(
        self, request: Request, model: str, verb: str, body: dict[str, Any], key: str
    ) -> Result:
        """Answer as Google does."""
        batch = verb == "batchEmbedContents"
        inputs = strict.check_gemini(model, body, batch)
        answer = gemini_answer(model, inputs, batch)
        return self._run(request, wire_formats.GEMINI, inputs, body, answer, key)

    def _run(
        self,
        request: Request,
        dialect: wire_formats.Dialect,
        inputs: Sequence[Input],
        body: dict[str, Any],
        answer: dict[str, Any],
        key: str,
        headers: Headers = (),
    ) -> Result:
        """Answer, but for what directives in the texts want otherwise."""
        whole = replace(dialect, reply=lambda *_: answer)
        view = view_of(str(body.get("model", "")), inputs, body)
        return self._exchange.run(request, whole, view, False, key, headers)
