"""What the encoders of replies need to know about a request."""

from __future__ import annotations

import binascii
from functools import partial

from antigravity.exchange.context import RequestContext
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import UnavailableError, UpstreamError
from antigravity.ir.request import Request

#: The path of files that the gateway serves for a while.
FILES_PATH = "/files/"


def reply_context(context: RequestContext, request: Request | None = None) -> ReplyContext:
    """Return what encoders of the reply to a request need; by default it is decoded for that."""
    return ReplyContext(
        call=context.original_call,
        request=context.request if request is None else request,
        model=context.head.model,
        created=int(context.recorder.record.started),
        new_id=context.services.new_id,
        publish=partial(_publish, context),
        now=context.recorder.now,
    )


def _publish(context: RequestContext, mime_type: str, data: str) -> str:
    """Publish a file in base64, and return the address where the client can fetch it.

    :raises GatewayError: if it is too large, or not base64.
    """
    try:
        file = binascii.a2b_base64(data)
    except binascii.Error as error:
        raise UpstreamError("The upstream sent a file that is not base64.") from error
    name = context.services.files.publish(mime_type, file)
    if not name:
        raise UnavailableError(
            f"An image of {len(file)} bytes is larger than the gateway's limit for published "
            "files (url_max_bytes in its [images] table). Ask for b64_json instead."
        )
    return f"{context.call.base_url}{FILES_PATH}{name}"
