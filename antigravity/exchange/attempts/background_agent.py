"""Agents that run in the background: they would go on when nobody waits for them any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.upstream_call import ERROR_LIMIT, Refused, first_good
from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.interfaces.upstreams import IStoringUpstream
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, Finish, ResponseStart
from antigravity.logs import make_logger
from antigravity.sse import ServerSentEvent

log = make_logger()

_CANCEL: Final = Route("POST", "", "stored", "cancel")


@implementer(IStreamDecoder)
class BackgroundAgent:
    """The response of such an agent: its decoder, which learns the id, and the call to cancel it.

    :param decoder: the protocol's own.
    """

    def __init__(self, attempt: Attempt, decoder: IStreamDecoder) -> None:
        self._attempt = attempt
        self._decoder = decoder
        self._id = ""
        self._ended = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events in ``event``."""
        events: Sequence[Event] = self._decoder.decode(event)
        if not self._id and events and isinstance(events[0], ResponseStart):
            self._id = events[0].id
        self._ended = self._ended or any(isinstance(each, Finish) for each in events)
        return events

    def close(self) -> Sequence[Event]:
        """Return the events for the end of the body."""
        events: Sequence[Event] = self._decoder.close()
        return events

    def settle(self, error: GatewayError | None) -> None:
        """Report how the attempt went, and cancel the agent if it has not ended."""
        self._attempt.settle(error)
        self.cancel()

    def cancel(self) -> None:
        """Ask the upstream to stop an agent that has not ended; failures are logged.

        Nothing waits for it.
        """
        identity, self._id = self._id, ""
        if identity and not self._ended:
            cancelling = Deferred.fromCoroutine(self._cancel(identity))
            cancelling.addErrback(self._not_cancelled, identity)

    def _not_cancelled(self, failure: Failure, identity: str) -> None:
        log.failure("the agent {id} was not cancelled", failure, id=identity)

    async def _cancel(self, identity: str) -> None:
        attempt = self._attempt
        option, credential = attempt.option, attempt.lease.credential
        upstream = option.upstream
        if not IStoringUpstream.providedBy(upstream):
            return
        call = Call(_CANCEL, {"id": identity}, {}, {}, b"")
        requests = upstream.stored_requests(call, credential)
        transport = attempt.context.services.transport
        try:
            response = await first_good(transport, upstream, option.client, credential, requests)
            await response.collect(ERROR_LIMIT)
        except (GatewayError, Refused) as error:
            log.info("the agent {id} was not cancelled: {error}", id=identity, error=str(error))
