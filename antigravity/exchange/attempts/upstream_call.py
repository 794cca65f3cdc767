"""One HTTP request to an upstream: prepared, sent, its status checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from antigravity.exchange.recorder import Recorder
from antigravity.exchange.response_headers import Headers, refused_headers
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IClientSide
from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
    SocketUse,
)
from antigravity.interfaces.upstreams import (
    Credential,
    IRenewingUpstream,
    IUpstream,
    UpstreamOperation,
)
from antigravity.ir.call import Body
from antigravity.ir.errors import GatewayError, UnusableResponseError, UpstreamCredentialError
from antigravity.ir.surrogates import repair_surrogates
from antigravity.logs import make_logger
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.routing.decision import RoutingOption

log = make_logger()

RETRY_AFTER = "Retry-After"
#: Bytes of an error body that are read; a longer one is not an error message.
ERROR_LIMIT = 1024 * 1024


class Refused(Exception):  # noqa: N818 - a response, not a fault of the gateway
    """An upstream's response whose status is not a success.

    ``body`` is that of the response without credentials, for clients of the same protocol;
    ``headers`` go with it.
    """

    def __init__(
        self, error: GatewayError, body: bytes, content_type: str, headers: Headers = ()
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.body = body
        self.content_type = content_type
        self.headers = headers
        #: The request that was refused.
        self.request: OutgoingRequest | None = None
        #: Whether the upstream refused parameters that the next attempt omits.
        self.learned = False

    def as_reply(self, longest: float) -> Reply | None:
        """Return the reply for a client of the same protocol, ``None`` if it must not see it.

        Errors of the gateway's credential are not the client's, and only JSON is an error in the
        protocol's shape.  A delay is cut to ``longest`` seconds.
        """
        error = self.error
        if isinstance(error, UpstreamCredentialError) or "json" not in self.content_type:
            return None
        if not self.body.lstrip().startswith((b"{", b"[")):
            return None
        error.limit_delay(longest)
        delay = error.retry_after
        headers = self.headers
        if delay is not None:
            headers = (_retry_after(delay), *headers)
        return Reply(error.upstream_status or error.status, self.content_type, headers, self.body)


class Failure(Struct, frozen=True):
    """Why an attempt failed.

    ``refusal`` is the upstream's own response, if a client may see it.  ``learned`` says that the
    upstream refused parameters that the next attempt omits.
    """

    error: GatewayError
    refusal: Reply | None = None
    learned: bool = False


def with_delay(reply: Reply, error: GatewayError) -> Reply:
    """Return a refusal in the upstream's words with the delay of ``error``, if it has one."""
    if error.retry_after is None:
        return reply
    others = tuple(pair for pair in reply.headers if pair[0] != RETRY_AFTER)
    return replace(reply, headers=(_retry_after(error.retry_after), *others))


def _retry_after(delay: float) -> tuple[str, str]:
    return RETRY_AFTER, str(max(1, round(delay + 0.4999)))


class UpstreamCall(Struct, frozen=True):
    """The request to one option with one credential; ``headers`` are the client's.

    ``socket`` says how it is sent over WebSocket, if it may be.  ``trace`` has headers that
    continue a trace, for requests that are sent without a recorder.
    """

    option: RoutingOption
    credential: Credential
    operation: UpstreamOperation
    body: Body
    headers: Mapping[str, str] = {}
    socket: SocketUse | None = None
    trace: Headers = ()

    async def send(
        self, transport: IHttpTransport, recorder: Recorder | None = None
    ) -> IIncomingResponse:
        """Return the first successful response, its body unread.

        Access tokens may be revoked before they expire.  So after a 401 the request is repeated
        once with a new token, which is recorded; only if the new one is refused, too, is
        the account at fault.  Requests that run in parallel have no ``recorder``.

        :raises Refused: for any other status than success; a redirect is one, and is not followed.
        :raises GatewayError: if there is no response.
        """
        upstream, client, credential = (
            self.option.upstream,
            self.option.client,
            self.credential,
        )
        renewing = upstream if IRenewingUpstream.providedBy(upstream) else None
        may_renew = True
        while True:
            prepared = upstream.prepare(
                self.operation,
                client.name,
                self.option.target.model,
                self.body,
                credential,
                self.headers,
            )
            if recorder is not None:
                recorder.enter("upstream")
            try:
                requests = await prepared if isinstance(prepared, Deferred) else prepared
                trace = self.trace if recorder is None else recorder.trace_headers()
                if self.socket is not None:
                    requests = [replace(each, socket=self.socket) for each in requests]
                elif trace:
                    requests = [replace(r, headers=(*r.headers, *trace)) for r in requests]
                response = await first_good(transport, upstream, client, credential, requests)
            except Refused as refused:
                if renewing is None or not may_renew or not _renews(renewing, refused, credential):
                    raise
                may_renew = False
                if recorder is not None:
                    recorder.repeated(refused.error)
                log.info("renewing a refused access token of {account}", account=credential.id)
                continue
            finally:
                if recorder is not None:
                    recorder.enter("translation")
            if renewing is not None:
                renewing.accepted(credential)
            return response


def _renews(upstream: IRenewingUpstream, refused: Refused, credential: Credential) -> bool:
    """Return whether an upstream can replace the access token that was refused."""
    if refused.request is None or refused.error.upstream_status != 401:
        return False
    return bool(upstream.renews(refused.request, credential))


async def first_good(
    transport: IHttpTransport,
    upstream: IUpstream,
    client: IClientSide,
    credential: Credential,
    requests: Sequence[OutgoingRequest],
) -> IIncomingResponse:
    """Return the first successful response to one of several requests, its body unread.

    :raises Refused: for any other status than success; a redirect is one, and is not followed.
    :raises GatewayError: if there is no response.
    """
    last = len(requests) - 1
    for place, request in enumerate(requests):
        try:
            response = await transport.send(request)
            if response.status() < 300:
                return response
            raise await _refused(upstream, client, credential, response)
        except (Refused, GatewayError) as failure:
            if isinstance(failure, Refused):
                failure.request = request
            error = failure.error if isinstance(failure, Refused) else failure
            if place == last or not upstream.try_next(error):
                raise
    raise AssertionError("an upstream prepared no request")


async def _refused(
    upstream: IUpstream,
    client: IClientSide,
    credential: Credential,
    response: IIncomingResponse,
) -> Refused:
    status, headers = response.status(), response.headers()
    try:
        body = CREDENTIALS.redact_bytes(repair_surrogates(await response.collect(ERROR_LIMIT)))
    except UnusableResponseError:
        body = b""  # an unknown compression; the status is enough
    if status < 400:
        moved = UnusableResponseError(
            f"The upstream {upstream.name} sent a redirect (status {status}); check its base_url.",
            upstream_status=status,
        )
        return Refused(moved, b"", "")
    error = client.decode_error(status, headers, body)
    error.upstream_status = status
    if isinstance(error, UpstreamCredentialError):
        upstream.refused(error, credential)
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/json"))
    return Refused(error, body, content_type, refused_headers(headers))
