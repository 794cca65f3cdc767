"""Requests for the metadata of an upstream: model lists, projects, quotas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.surrogates import repair_surrogates

#: The maximum size of a response in bytes.
MAX_RESPONSE: Final = 16 * 1024 * 1024

DecodeError = Callable[[int, Mapping[str, str], bytes], GatewayError]


async def fetch_first(
    transport: IHttpTransport,
    requests: Sequence[OutgoingRequest],
    decode_error: DecodeError,
    try_next: Callable[[GatewayError], bool],
) -> bytes:
    """Return the body of the first successful response.

    :raises GatewayError: the error of the last request that was sent.
    """
    failure: GatewayError = UpstreamError("the upstream has no address")
    for request in requests:
        try:
            return await _fetch(transport, request, decode_error)
        except GatewayError as error:
            failure = error
            if not try_next(error):
                break
    raise failure


async def _fetch(
    transport: IHttpTransport, request: OutgoingRequest, decode_error: DecodeError
) -> bytes:
    response = await transport.send(request)
    status, headers = response.status(), response.headers()
    body = repair_surrogates(await response.collect(MAX_RESPONSE))
    if 200 <= status < 300:
        return body
    if status < 400:
        raise UpstreamError(
            f"the upstream redirects ({status}); set base_url to its new address",
            upstream_status=status,
        )
    raise decode_error(status, headers, body)
