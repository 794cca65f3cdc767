"""Both sides of the Gemini protocol."""

from __future__ import annotations

import re
from typing import Final

from antigravity.interfaces.server_traits import (
    RequestedChoices,
    ServerTraits,
    StreamFraming,
)
from antigravity.ir.call import Body, Call, Head, Operation, Route
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.gemini import (
    client_errors,
    client_reply,
    completeness,
    errors,
    server_reply,
    server_scan,
)
from antigravity.protocols.gemini.client_config import MAX_STOP
from antigravity.protocols.gemini.client_request import encode_body, encode_count_body
from antigravity.protocols.gemini.client_stream import GeminiStreamDecoder
from antigravity.protocols.gemini.client_tap import GeminiTap
from antigravity.protocols.gemini.frames import array_framer
from antigravity.protocols.gemini.server_request import decode_request, model_of
from antigravity.protocols.gemini.server_stream import GeminiStreamEncoder
from antigravity.protocols.gemini.with_model import with_model
from antigravity.protocols.gemini_signatures import family_of
from antigravity.protocols.json_body import members_of
from antigravity.protocols.member_scan import members
from antigravity.protocols.server_protocol import ServerProtocol

NAME: Final = "gemini"
_POSTS: tuple[tuple[str, Operation, str], ...] = (
    (":generateContent", "generate", "whole"),
    (":streamGenerateContent", "generate", "stream"),
    (":countTokens", "count_tokens", ""),
    ("/countTokens", "count_tokens", ""),
)


def _routes(version: str) -> tuple[Route, ...]:
    """Return the routes of one version of the API; the newest clients use ``/v1``."""
    return (
        Route("GET", f"{version}/models", "list_models"),
        Route("GET", f"{version}/models/{{model...}}", "get_model"),
        *(
            Route("POST", f"{version}/models/{{model...}}{verb}", operation, tag)
            for verb, operation, tag in _POSTS
        ),
    )


def _peek(call: Call) -> Head:
    members_of(call)
    model = model_of(call)
    if not model:
        raise InvalidRequestError("The path does not name a model.", param="$.model")
    return Head(model, call.route.tag == "stream")


def _with_model(call: Call, model: str) -> Body:
    return with_model(call.body, model, members_of(call))


def _requested_choices(call: Call) -> RequestedChoices:
    """Return the number of candidates that a request asks for."""
    return RequestedChoices(server_scan.choices(members_of(call)))


def _conversation_hint(call: Call) -> str | None:
    body = members_of(call)
    for name in ("generateContentRequest", "generate_content_request"):
        if name in body:
            body = members(body[name])
    return conversation_key(body, body.get("contents"), default_role="user")


def _decoder(request: Request, target: Target) -> GeminiStreamDecoder:
    return GeminiStreamDecoder(request, family_of(target.capabilities))


GEMINI_SERVER: Final = ServerProtocol(
    name=NAME,
    routes=(*_routes("/v1beta"), *_routes("/v1")),
    traits=ServerTraits(
        conversation_hint=_conversation_hint,
        needs_translation=server_scan.needs_translation,
        is_complete=completeness.is_complete,
        requested_choices=_requested_choices,
        framing=StreamFraming(array_framer, errors.failed_chunk),
        errors_state_delays=True,  # google.rpc.RetryInfo
    ),
    keepalive=b"",  # a comment is fatal to Gemini CLI and google-genai
    peek=_peek,
    decode=decode_request,
    with_model=_with_model,
    encoder=GeminiStreamEncoder,
    encode_response=server_reply.encode_response,
    encode_count=server_reply.encode_count,
    encode_models=server_reply.encode_models,
    encode_model=server_reply.encode_model,
    encode_error=errors.error_reply,
)

GEMINI_CLIENT: Final = ClientProtocol(
    name=NAME,
    traits=Traits(
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
        whole_responses=True,
        moves_images=True,
    ),
    encode=encode_body,
    encode_count=encode_count_body,
    decoder=_decoder,
    make_tap=GeminiTap,
    decode_usage=client_reply.decode_usage,
    decode_count=client_reply.decode_count,
    decode_models=client_reply.decode_models,
    decode_error=client_errors.decode_error,
)
