"""A decoder of events that hold JSON objects, and the errors that HTTP statuses stand for.

For upstreams that speak a protocol of their own; see ``docs/plugins.rst``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import (
    ContextLengthError,
    DeadlineError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    RequestTooLargeError,
    UpstreamCredentialError,
    UpstreamError,
    credential_refused,
    incomplete_response_error,
)
from antigravity.ir.events import Event, Finish, ResponseStart, StreamFailure
from antigravity.protocols.rate_limits import BILLING_CODE, read_limit
from antigravity.sse import ServerSentEvent

_KINDS: Final[Mapping[int, type[GatewayError]]] = {
    401: UpstreamCredentialError,
    403: UpstreamCredentialError,
    404: NotFoundError,
    408: DeadlineError,
    413: RequestTooLargeError,
    429: RateLimitedError,
    503: OverloadedError,
    504: DeadlineError,
    529: OverloadedError,
}

#: Events that say nothing: the second is how many servers mark the end.
_NOTHING: Final = (b"", b"[DONE]")


_EVENT: Final = msgspec.json.Decoder(dict[str, Any])


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, an empty one if there is none."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def upstream_error(
    status: int,
    headers: Mapping[str, str],
    message: object = "",
    *,
    retry_after: float | None = None,
    too_long: bool = False,
) -> GatewayError:
    """Return the error that an answer with such a ``status`` is.

    :param message: what the server says, if that is text.
    :param retry_after: in seconds; if ``None``, it is taken from headers and message.
    :param too_long: whether the prompt does not fit: then the gateway may compress it.
    """
    kind = _KINDS.get(status, InvalidRequestError if 400 <= status < 500 else UpstreamError)
    if too_long and issubclass(kind, InvalidRequestError):
        kind = ContextLengthError
    said = message if isinstance(message, str) else ""
    if kind is UpstreamCredentialError:
        said = credential_refused()  # its words may repeat it
    limit = read_limit(status, headers, message if isinstance(message, str) else "")
    if limit.kind and kind is RateLimitedError:
        kind = QuotaExhaustedError
    code = "model_not_found" if kind is NotFoundError else None
    return kind(
        said or f"The upstream answered with status {status} and no reason.",
        code=BILLING_CODE if limit.kind == "billing" else code,
        retry_after=limit.retry_after if retry_after is None else retry_after,
        upstream_status=status,
    )


@implementer(IStreamDecoder)
class JsonEventDecoder(ABC):
    """Reads events that hold JSON objects; what one of them means, :meth:`read` says.

    Data that makes no sense, and an end before a ``Finish``, become a ``StreamFailure``.  Responses
    that are lines of JSON are for a protocol whose traits have ``json_lines``.
    """

    def __init__(self) -> None:
        self._started = False
        self._finished = False
        self._failed = False

    @abstractmethod
    def read(self, name: str, data: dict[str, Any]) -> Iterable[Event]:
        """Return what one event means, in a legal order; often nothing.

        Fields need not be looked for before they are used: ``KeyError``, ``IndexError``,
        ``TypeError`` and ``ValueError`` say that the event makes no sense.

        :raises GatewayError: if the event is an error.
        """

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return what ``event`` means."""
        if self._failed or event.data.strip() in _NOTHING:
            return ()
        try:
            events = list(self.read(event.event, _EVENT.decode(event.data)))
        except GatewayError as error:
            return self._failure(error)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else type(error).__name__
            what = f"event {event.event!r}" if event.event else "event"
            said = f"The upstream sent an {what} that makes no sense ({why})."
            return self._failure(UpstreamError(said))
        if events and not self._started:
            self._started = True
            if not isinstance(events[0], ResponseStart):
                events.insert(0, ResponseStart())
        self._finished = self._finished or any(isinstance(each, Finish) for each in events)
        return events

    def close(self) -> Sequence[Event]:
        """Return what the end of the body means."""
        if self._finished or self._failed:
            return ()
        return self._failure(incomplete_response_error())

    def _failure(self, error: GatewayError) -> Sequence[Event]:
        self._failed = True
        return (StreamFailure(error),)
