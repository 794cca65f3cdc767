"""Small questions that upstreams ask on their own behalf: model lists, tokens, projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.surrogates import repair_surrogates

#: No answer to such a question is larger.
MAX_ANSWER: Final = 16 * 1024 * 1024

DecodeError = Callable[[int, Mapping[str, str], bytes], GatewayError]


async def ask(
    transport: IHttpTransport,
    requests: Sequence[OutgoingRequest],
    decode_error: DecodeError,
    try_next: Callable[[GatewayError], bool],
) -> bytes:
    """Return the body of the first good answer.

    :raises GatewayError: what went wrong with the last request that was worth a try.
    """
    failure: GatewayError = UpstreamError("there is no address to ask")
    for request in requests:
        try:
            return await _ask_one(transport, request, decode_error)
        except GatewayError as error:
            failure = error
            if not try_next(error):
                break
    raise failure


async def _ask_one(
    transport: IHttpTransport, request: OutgoingRequest, decode_error: DecodeError
) -> bytes:
    response = await transport.send(request)
    status, headers = response.status(), response.headers()
    body = repair_surrogates(await response.collect(MAX_ANSWER))
    if 200 <= status < 300:
        return body
    if status < 400:
        raise UpstreamError(
            f"the upstream redirects ({status}); set base_url to where it is",
            upstream_status=status,
        )
    raise decode_error(status, headers, body)
