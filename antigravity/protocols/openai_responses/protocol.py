"""The Responses API: the server side and the client side of the protocol."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import (
    Compaction,
    Retrieval,
    ServerTraits,
    StoredResponses,
)
from antigravity.interfaces.sockets import ISocketSession, IUpstreamSession, SessionContext
from antigravity.ir.call import Call, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Traits
from antigravity.ir.request import Request
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_responses import (
    client_reply,
    client_request,
    compaction,
    conversation,
    function_forms,
    server_request,
    server_scan,
    stored,
)
from antigravity.protocols.openai_responses.client_content import AUDIO_FORMATS
from antigravity.protocols.openai_responses.client_stream import ResponsesDecoder
from antigravity.protocols.openai_responses.client_tap import ResponsesTap
from antigravity.protocols.openai_responses.encrypted import FAMILY
from antigravity.protocols.openai_responses.schema import NAME
from antigravity.protocols.openai_responses.server_stream import (
    ResponsesStreamEncoder,
    encode_response,
)
from antigravity.protocols.openai_shapes import (
    encode_error,
    encode_model,
    encode_models,
)
from antigravity.protocols.replies import json_reply
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT

ROUTES: Final = (
    Route("POST", "/v1/responses", "generate"),
    Route("POST", "/v1/responses/compact", "generate", compaction.TAG),
    Route("POST", "/v1/responses/input_tokens", "count_tokens"),
    Route("GET", "/v1/responses/{id}", "stored", "retrieve"),
    Route("DELETE", "/v1/responses/{id}", "stored", "delete"),
    Route("GET", "/v1/responses/{id}/input_items", "stored", "input_items"),
    Route("POST", "/v1/responses/{id}/cancel", "stored", "cancel"),
)
TRAITS: Final = Traits(
    family=FAMILY,
    custom_tools=True,
    namespaces=True,
    system_turns=True,
    url_media=frozenset(("image", "document")),
    media_in_tool_results=True,
    max_stop=0,
    max_choices=1,
    media=frozenset(("image", "document", "audio")),
    media_types={"audio": tuple(AUDIO_FORMATS)},
    outputs=frozenset(("text",)),
    file_provider="openai",
    files=frozenset(("image", "document")),
    cached_search=True,
    top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf", "enum", "not"}),
    id_max=64,
    strict="openai",
    whole_responses=True,
    moves_images=True,
)


def _decode(call: Call) -> Request:
    return server_request.decode(call.body)


def _conversation_hint(call: Call) -> str | None:
    body = members_of(call)
    return conversation_key(body, body.get("input"))


def _socket_session(context: SessionContext) -> ISocketSession:
    from antigravity.protocols.openai_responses.socket.session import (
        ResponsesSession,
    )

    session: ISocketSession = ResponsesSession(context)
    return session


def _encode_prewarm(context: ReplyContext) -> bytes:
    from antigravity.protocols.openai_responses.socket.prewarm import encode_prewarm

    return encode_prewarm(context)


def _upstream_session() -> IUpstreamSession:
    from antigravity.protocols.openai_responses.socket.upstream_session import UpstreamSession

    session: IUpstreamSession = UpstreamSession()
    return session


def _encode_count(count: TokenCount, call: Call) -> HttpReply:
    return json_reply({"object": "response.input_tokens", "input_tokens": count.input_tokens})


OPENAI_RESPONSES_SERVER: Final = ServerProtocol(
    name=NAME,
    routes=ROUTES,
    traits=ServerTraits(
        decodes_outlines=True,
        conversation_hint=_conversation_hint,
        needs_translation=server_scan.needs_translation,
        native_only_error=server_request.native_only_error,
        as_functions=function_forms.as_functions,
        socket_session=_socket_session,
        encode_prewarm=_encode_prewarm,
        stored_responses=StoredResponses(
            previous_id=lambda call: conversation.previous_id(call.body),
            wants_store=lambda call: conversation.wants_store(call.body),
            expand=conversation.expand,
            items_to_store=conversation.items_to_store,
            retrieval=Retrieval(stored.encode, stored.not_found),
            referenced=conversation.referenced_responses,
            resolve=conversation.with_referenced_items,
            item_mark=conversation.REFERENCE,
        ),
        compaction=Compaction(
            find=compaction.find_compaction,
            check=compaction.check_trigger,
            encode=compaction.encode_compaction,
        ),
    ),
    keepalive=KEEPALIVE_COMMENT,
    peek=peek,
    decode=_decode,
    with_model=with_model,
    encoder=ResponsesStreamEncoder,
    encode_response=encode_response,
    encode_count=_encode_count,
    encode_models=encode_models,
    encode_model=encode_model,
    encode_error=encode_error,
)

#: Without an encoder of token counts: OpenAI counts tokens, most compatible servers do not.
OPENAI_RESPONSES_CLIENT: Final = ClientProtocol(
    name=NAME,
    traits=TRAITS,
    encode=client_request.encode,
    decoder=lambda request, target: ResponsesDecoder(),
    make_tap=ResponsesTap,
    decode_usage=client_reply.usage_of,
    decode_count=client_reply.decode_count,
    decode_models=client_reply.decode_models,
    decode_error=client_reply.decode_error,
    socket_session=_upstream_session,
)
