"""One HTTP exchange with an upstream: prepared, sent, its status looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from antigravity.exchange.response_headers import Headers, upstream_request_id
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IClientSide
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.interfaces.upstreams import (
    Credential,
    IRenewingUpstream,
    IUpstream,
    UpstreamOperation,
)
from antigravity.ir.call import Body
from antigravity.ir.errors import GatewayError, UnusableAnswerError, UpstreamCredentialError
from antigravity.ir.surrogates import repair_surrogates
from antigravity.logs import make_logger
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.routing.decision import RoutingOption

log = make_logger()

#: Bytes of an error body that are read; more is no error message.
ERROR_LIMIT = 1024 * 1024


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """An upstream's answer with a status that is no success.

    ``body`` is the answer as it came, for clients of the same protocol, but for credentials;
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
        #: What was refused.
        self.request: OutgoingRequest | None = None

    def as_reply(self, longest: float) -> Reply | None:
        """Return it for a client of the same protocol, ``None`` if it must not see it.

        No delay of more than ``longest`` seconds is told.
        Trouble with our credential is not the client's, and what is no JSON is no error shape.
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
            headers = (("Retry-After", _seconds(delay)), *headers)
        return Reply(error.upstream_status or error.status, self.content_type, headers, self.body)


def _seconds(delay: float) -> str:
    return str(max(1, round(delay + 0.4999)))


class UpstreamCall(Struct, frozen=True):
    """What is asked of one option with one credential; ``headers`` are the client's."""

    option: RoutingOption
    credential: Credential
    operation: UpstreamOperation
    body: Body
    headers: Mapping[str, str] = {}

    async def send(
        self, transport: IHttpTransport, repeated: Callable[[GatewayError], None] | None = None
    ) -> IIncomingResponse:
        """Return the response, its body unread, of the first request that gets a good one.

        Access tokens may die before their time.  So a 401 for one is followed once by the same
        request with a new one; only if that is refused, too, is the account at fault.
        ``repeated`` is called with the error in between.

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
            requests = await upstream.prepare(
                self.operation,
                client.name,
                self.option.target.model,
                self.body,
                credential,
                self.headers,
            )
            try:
                response = await first_good(transport, upstream, client, credential, requests)
            except Refused as refused:
                if renewing is None or not may_renew or not _renews(renewing, refused, credential):
                    raise
                may_renew = False
                if repeated is not None:
                    repeated(refused.error)
                log.info("renewing a refused access token of {account}", account=credential.id)
                continue
            if renewing is not None:
                renewing.accepted(credential)
            return response


def _renews(upstream: IRenewingUpstream, refused: Refused, credential: Credential) -> bool:
    """Return whether an upstream can get a new access token in place of a refused one."""
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
    """Return the response, its body unread, of the first request that gets a good one.

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
    except UnusableAnswerError:
        body = b""  # compressed in an unknown way; the status says enough
    if status < 400:
        moved = UnusableAnswerError(
            f"The upstream {upstream.name} answered {status} where an answer was "
            "expected; check its base_url.",
            upstream_status=status,
        )
        return Refused(moved, b"", "")
    error = client.decode_error(status, headers, body)
    error.upstream_status = status
    if isinstance(error, UpstreamCredentialError):
        upstream.refused(error, credential)
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/json"))
    return Refused(error, body, content_type, upstream_request_id(headers))
