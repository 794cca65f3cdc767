"""One attempt at serving a request: where it goes, with which account, and how that ended."""

from __future__ import annotations

from msgspec import Struct

from antigravity.exchange.attempts.context_fitter import FittedRequest
from antigravity.exchange.context import RequestContext
from antigravity.exchange.streams.event_source import EndPolicy
from antigravity.exchange.streams.response_form import ResponseSource
from antigravity.interfaces.accounts import ILease
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.routing.decision import RoutingOption


class Attempt(Struct, frozen=True):
    """One attempt; ``fitted`` is the request if it was shortened for this option.

    ``losses`` are reported besides those of translation.
    """

    context: RequestContext
    option: RoutingOption
    lease: ILease
    losses: tuple[Loss, ...] = ()
    fitted: FittedRequest | None = None

    @property
    def end_policy(self) -> EndPolicy:
        """Which ends without content are worth another attempt."""
        retry_empty = self.option.target.capabilities.retry_empty
        return EndPolicy(retry_empty, self.context.attempts.ended_empty)

    def source(self, response: IIncomingResponse) -> ResponseSource:
        """Return which upstream sent a response, for error messages."""
        content_type = response.headers().get("content-type", "")
        return ResponseSource(self.option.upstream.name, content_type)

    def settle(self, error: GatewayError | None) -> None:
        """Give the account back and report how it went; later calls change nothing.

        Upstreams may lack the path of a protocol of one purpose, or a model for it: that says
        nothing about the account, which goes on serving conversations.
        """
        if error is None:
            self.lease.succeeded()
        elif isinstance(error, CancelledByClientError) or (
            not self.context.is_conversation and error.upstream_status in (404, 405)
        ):
            self.lease.release()
        else:
            self.lease.failed(error)
