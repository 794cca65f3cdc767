"""Chat completions: the server side and the client side of the protocol."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import RequestedChoices, ServerTraits
from antigravity.ir.call import Call, Route
from antigravity.ir.capabilities import Traits
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_chat import server_history, server_scan
from antigravity.protocols.openai_chat.client_reply import decode_models, decode_usage
from antigravity.protocols.openai_chat.client_request import encode
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.client_tap import ChatTap
from antigravity.protocols.openai_chat.schema import NAME
from antigravity.protocols.openai_chat.server_reply import encode_response
from antigravity.protocols.openai_chat.server_request import decode
from antigravity.protocols.openai_chat.server_stream import ChatStreamEncoder
from antigravity.protocols.openai_errors import decode_error
from antigravity.protocols.openai_shapes import encode_error, encode_model, encode_models
from antigravity.protocols.openai_stream_options import REQUESTED_USAGE
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT


def _requested_choices(call: Call) -> RequestedChoices:
    """Return how many choices a request asks for."""
    return RequestedChoices(server_scan.choices(members_of(call)))


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call)
    return conversation_key(found, found.get("messages"))


OPENAI_CHAT_SERVER: Final = ServerProtocol(
    name=NAME,
    routes=(
        Route("POST", "/v1/chat/completions", "generate"),
        Route("GET", "/v1/models", "list_models"),
        Route("GET", "/v1/models/{model...}", "get_model"),
    ),
    traits=ServerTraits(
        decodes_outlines=True,
        conversation_hint=_conversation_hint,
        drops_reasoning=True,
        needs_translation=server_scan.needs_translation,
        is_complete=server_scan.is_complete,
        calls_without_reasoning=server_history.calls_without_reasoning,
        requested_choices=_requested_choices,
        thinks_with_tools=server_scan.thinks_with_tools,
        requested_usage=REQUESTED_USAGE,
    ),
    keepalive=KEEPALIVE_COMMENT,
    peek=peek,
    decode=decode,
    with_model=with_model,
    encoder=ChatStreamEncoder,
    encode_response=encode_response,
    encode_models=encode_models,
    encode_model=encode_model,
    encode_error=encode_error,
)

OPENAI_CHAT_CLIENT: Final = ClientProtocol(
    name=NAME,
    traits=Traits(
        family="openai",
        # OpenAI accepts custom tools here, but few compatible servers do.
        custom_tools=False,
        system_turns=True,
        url_media=frozenset({"image"}),
        max_choices=128,
        outputs=frozenset({"text", "image", "audio"}),
        names=True,
        file_provider="openai",
        files=frozenset({"document"}),
        id_max=40,
        strict="openai",
        top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf", "enum", "not"}),
        whole_responses=True,
        moves_images=True,
    ),
    encode=encode,
    decoder=lambda request, target: ChatStreamDecoder(
        request, think_tags=target.accepts("think_tags")
    ),
    make_tap=ChatTap,
    decode_usage=decode_usage,
    decode_models=decode_models,
    decode_error=decode_error,
)
