"""Both sides of the Gemini protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zope.interface import implementer

from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IServerProtocol,
)
from antigravity.interfaces.server_traits import (
    RequestedChoices,
    ServerTraits,
    StreamFraming,
)
from antigravity.ir.call import Call, Head, HttpReply, Operation, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.protocols.conversation_hint import hint
from antigravity.protocols.gemini import (
    client_errors,
    client_reply,
    completeness,
    errors,
    server_glance,
    server_reply,
)
from antigravity.protocols.gemini.client_config import MAX_STOP
from antigravity.protocols.gemini.client_request import encode_body, encode_count_body
from antigravity.protocols.gemini.client_stream import GeminiStreamDecoder
from antigravity.protocols.gemini.client_tap import GeminiTap
from antigravity.protocols.gemini.frames import array_framer
from antigravity.protocols.gemini.reading import load_members
from antigravity.protocols.gemini.server_request import decode_request, model_of
from antigravity.protocols.gemini.server_stream import GeminiStreamEncoder
from antigravity.protocols.gemini.signatures import family_of
from antigravity.protocols.gemini.with_model import with_model
from antigravity.protocols.glance import members
from antigravity.protocols.json_body import members_of

_POSTS: tuple[tuple[str, Operation, str], ...] = (
    (":generateContent", "generate", "whole"),
    (":streamGenerateContent", "generate", "stream"),
    (":countTokens", "count_tokens", ""),
    ("/countTokens", "count_tokens", ""),
)


def _routes(version: str) -> tuple[Route, ...]:
    """Return what is served under one version; the newest clients ask for ``/v1``."""
    return (
        Route("GET", f"{version}/models", "list_models"),
        Route("GET", f"{version}/models/{{model...}}", "get_model"),
        *(
            Route("POST", f"{version}/models/{{model...}}{verb}", operation, tag)
            for verb, operation, tag in _POSTS
        ),
    )


def _requested_choices(call: Call) -> RequestedChoices:
    """Return how many candidates a request asks for."""
    return RequestedChoices(server_glance.choices(members_of(call, load_members)))


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call, load_members)
    for name in ("generateContentRequest", "generate_content_request"):
        if name in found:
            found = members(found[name])
    return hint(found, found.get("contents"), default_role="user")


@implementer(IServerProtocol)
class GeminiServer:
    """Serves generateContent, streamed and whole, token counts and models."""

    name = "gemini"
    routes = (*_routes("/v1beta"), *_routes("/v1"))
    #: A comment is fatal to Gemini CLI and google-genai.
    keepalive = b""
    traits = ServerTraits(
        conversation_hint=_conversation_hint,
        needs_translation=server_glance.needs_translation,
        is_complete=completeness.is_complete,
        requested_choices=_requested_choices,
        framing=StreamFraming(array_framer, errors.failed_chunk),
    )

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch.

        :raises InvalidRequestError: if the body is no JSON object or the path names no model.
        """
        members_of(call, load_members)
        model = model_of(call)
        if not model:
            raise InvalidRequestError("The path names no model.", param="$.model")
        return Head(model, call.route.tag == "stream")

    def decode(self, call: Call) -> Request:
        """Return the request.

        :raises InvalidRequestError: naming the field at fault.
        """
        return decode_request(call)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the body for another model, otherwise byte for byte as it came."""
        return with_model(call.body, model, members_of(call, load_members))

    def encoder(self, context: ReplyContext) -> GeminiStreamEncoder:
        """Return an encoder for one streamed reply."""
        return GeminiStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return server_reply.encode_response(response, context)

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return the reply to a ``countTokens`` call."""
        return server_reply.encode_count(count)

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return a page of the list of models.

        :raises InvalidRequestError: if the page's size or token makes no sense.
        """
        return server_reply.encode_models(models, call)

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        return server_reply.encode_model(model)

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in Google's shape."""
        return errors.error_reply(error, request_id)


@implementer(IClientProtocol)
class GeminiClient:
    """Asks an upstream for content, token counts and models."""

    name = "gemini"
    traits = Traits(
        family="gemini",
        name_pattern=re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*"),
        name_max=64,
        parallel_switch=False,
        url_media=frozenset(),
        media_in_tool_results=False,
        max_stop=MAX_STOP,
        max_choices=8,
        file_provider="google",
        files=frozenset({"image", "document", "audio", "video"}),
    )

    def encode(self, request: Request, target: Target) -> Encoded:
        """Return the body of a request for an answer.

        :raises InvalidRequestError: for what the target can't do and nobody should guess.
        """
        return encode_body(request, target)

    def encode_count(self, request: Request, target: Target) -> Encoded:
        """Return the body of a request to count tokens."""
        return encode_count_body(request, target)

    def decoder(self, request: Request, target: Target) -> GeminiStreamDecoder:
        """Return a decoder for the streamed answer to ``request``."""
        return GeminiStreamDecoder(request, family_of(target.capabilities))

    def tap(self) -> GeminiTap:
        """Return a tap for one stream that is passed through."""
        return GeminiTap()

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole answer, if it has one."""
        return client_reply.decode_usage(body)

    def decode_count(self, body: bytes) -> int:
        """Return the tokens in the answer to :meth:`encode_count`.

        :raises UpstreamError: if it holds none.
        """
        return client_reply.decode_count(body)

    def decode_models(self, body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list.

        :raises UpstreamError: if it is no list.
        """
        return client_reply.decode_models(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        return client_errors.decode_error(status, headers, body)
