"""A way to a remote server without a network: requests are kept, answers come when told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.interfaces.transport import OutgoingRequest


class Response:
    """An answer whose body comes in pieces, when the test says so."""

    def __init__(
        self, status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        self._status = status
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._body = body
        self.reader: Any = None
        self.paused = False
        self.aborted = False

    def status(self) -> int:
        return self._status

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def deliver(self, reader: Any) -> None:
        self.reader = reader
        reader.makeConnection(self)

    def collect(self, limit: int) -> Deferred[bytes]:
        return succeed(self._body)

    def abort(self) -> None:
        self.aborted = True

    stopProducing = abort

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def send(self, data: bytes) -> None:
        """Let a piece of the body come."""
        self.reader.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        """Let the body end."""
        why = Failure(ResponseDone()) if reason is None else Failure(reason)
        self.reader.connectionLost(why or connectionDone)


class RelayTarget:
    """Sends nothing anywhere; ``answers`` are given in order, by default one that is empty."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[OutgoingRequest] = []
        self.waiting: list[Deferred[Any]] = []
        self.cancelled = 0
        self.hold = False

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        self.requests.append(request)
        if self.hold:
            waiting: Deferred[Any] = Deferred(lambda _: self._cancel())
            self.waiting.append(waiting)
            return waiting
        answer = self.answers.pop(0) if self.answers else Response(body=b"{}")
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def _cancel(self) -> None:
        self.cancelled += 1

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the last request."""
        return dict(self.requests[-1].headers)
