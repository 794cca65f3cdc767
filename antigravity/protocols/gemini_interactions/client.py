"""The client side of the protocol."""

from __future__ import annotations

import re

from antigravity.interfaces.protocols import IClientProtocol
from antigravity.ir.capabilities import Traits
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.gemini_interactions import client_reply, client_request
from antigravity.protocols.gemini_interactions.client_config import MAX_STOP
from antigravity.protocols.gemini_interactions.client_stream import InteractionDecoder
from antigravity.protocols.gemini_interactions.client_tap import InteractionTap
from antigravity.protocols.gemini_interactions.schema import NAME


def interactions_client(google: IClientProtocol) -> ClientProtocol:
    """Return the client; ``google`` decodes the errors and lists of the same upstream."""
    decode_error = google.decode_error
    return ClientProtocol(
        name=NAME,
        traits=Traits(
            family="gemini",
            name_pattern=re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*"),
            parallel_switch=False,
            media_in_tool_results=False,
            max_stop=MAX_STOP,
            file_provider="google",
            files=frozenset({"image", "document", "audio", "video"}),
            whole_responses=True,
            moves_images=True,
        ),
        encode=client_request.encode,
        decoder=lambda request, target: InteractionDecoder(
            decode_error, own=request.protocol == NAME
        ),
        make_tap=lambda: InteractionTap(decode_error),
        decode_usage=client_reply.usage_of,
        decode_models=google.decode_models,
        decode_error=decode_error,
    )
