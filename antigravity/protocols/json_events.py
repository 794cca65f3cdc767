"""A decoder of events that contain JSON objects, and the errors for HTTP statuses.

Plugins use these for protocols of their own; see ``docs/plugins.rst``.
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
from antigravity.protocols.limit import BILLING_CODE, read_limit
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

#: Data of events without content; many servers mark the end with the second.
_NO_CONTENT: Final = (b"", b"[DONE]")


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
    """Return the error for a response with an error status.

    :param message: the server's message; ignored if it is not text.
    :param retry_after: in seconds; if ``None``, it is read from headers and message.
    :param too_long: whether the prompt does not fit, so that the gateway may compress it.
    """
    kind = _KINDS.get(status, InvalidRequestError if 400 <= status < 500 else UpstreamError)
    if too_long and issubclass(kind, InvalidRequestError):
        kind = ContextLengthError
    text = message if isinstance(message, str) else ""
    limit = read_limit(status, headers, text)
    if kind is UpstreamCredentialError:
        text = credential_refused()  # the server's message may contain the credential
    if limit.kind and kind is RateLimitedError:
        kind = QuotaExhaustedError
    code = "model_not_found" if kind is NotFoundError else None
    return kind(
        text or f"The upstream responded with status {status} and no message.",
        code=BILLING_CODE if limit.kind == "billing" else code,
        retry_after=limit.retry_after if retry_after is None else retry_after,
        upstream_status=status,
    )


@implementer(IStreamDecoder)
class JsonEventDecoder(ABC):
    """Decodes events that contain JSON objects; a subclass defines :meth:`read`.

    Malformed data, and an end before a ``Finish``, become a ``StreamFailure``.  For responses that
    are lines of JSON, set ``json_lines`` in the traits of the protocol.
    """

    def __init__(self) -> None:
        self._started = False
        self._finished = False
        self._failed = False

    @abstractmethod
    def read(self, name: str, data: dict[str, Any]) -> Iterable[Event]:
        """Return the decoded events of one event, in a legal order; often none.

        Fields can be used without a check: if this raises ``KeyError``, ``IndexError``,
        ``TypeError`` or ``ValueError``, the event is malformed.

        :raises GatewayError: if the event is an error.
        """

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the decoded events."""
        if self._failed or event.data.strip() in _NO_CONTENT:
            return ()
        try:
            events = list(self.read(event.event, _EVENT.decode(event.data)))
        except GatewayError as error:
            return self._failure(error)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else type(error).__name__
            name = f" {event.event!r}" if event.event else ""
            return self._failure(
                UpstreamError(f"The upstream sent a malformed event{name} ({reason}).")
            )
        if events and not self._started:
            self._started = True
            if not isinstance(events[0], ResponseStart):
                events.insert(0, ResponseStart())
        self._finished = self._finished or any(isinstance(each, Finish) for each in events)
        return events

    def close(self) -> Sequence[Event]:
        """Return the events for the end of the body."""
        if self._finished or self._failed:
            return ()
        return self._failure(incomplete_response_error())

    def _failure(self, error: GatewayError) -> Sequence[Event]:
        self._failed = True
        return (StreamFailure(error),)
