"""Legacy completions: the server side of the protocol."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Route
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_completions import request
from antigravity.protocols.openai_completions.reply import encode_response
from antigravity.protocols.openai_completions.stream import CompletionStreamEncoder
from antigravity.protocols.openai_shapes import encode_error
from antigravity.protocols.openai_stream_options import REQUESTED_USAGE
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT


def _conversation_hint(call: Call) -> str | None:
    body = members_of(call)
    return conversation_key(body, body.get("prompt"), default_role="user")


OPENAI_COMPLETIONS_SERVER: Final = ServerProtocol(
    name=request.NAME,
    routes=(Route("POST", "/v1/completions", "generate"),),
    traits=ServerTraits(
        conversation_hint=_conversation_hint,
        requested_choices=request.requested_choices,
        split_prompts=request.split_prompts,
        native_only_error=request.native_only_error,
        requested_usage=REQUESTED_USAGE,
    ),
    keepalive=KEEPALIVE_COMMENT,
    peek=peek,
    decode=request.decode,
    with_model=with_model,
    encoder=CompletionStreamEncoder,
    encode_response=encode_response,
    encode_error=encode_error,
)
