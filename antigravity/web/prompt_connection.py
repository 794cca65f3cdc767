"""Accepted connections that send in the turn of the event loop in which they are written to.

Twisted sends what was written in the next turn: it asks the system to report when the socket can be
written to, and after sending, to stop reporting.  A socket that has nothing to send almost always
can be written to.  These connections therefore try first, and let the reactor wait only for a
socket that is full.  That saves two system calls and one turn for each chunk of a stream.

What is written to a connection in one turn is sent together.
"""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.interfaces import IReactorTime

from antigravity.logs import make_logger

#: Connections that wait for the end of the turn; with one more, these send at once.  A turn can be
#: long: it handles whatever hundreds of connections have received.
MAX_WAITING: Final = 8


class SendQueue:
    """The connections that were written to in this turn of the event loop."""

    log = make_logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: list[PromptConnection] = []
        self._is_scheduled = False

    def add(self, connection: PromptConnection) -> None:
        """Let ``connection`` send at the end of this turn, or earlier."""
        self._waiting.append(connection)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._clock.callLater(0, self._end_turn)
        elif len(self._waiting) > MAX_WAITING:
            waiting, self._waiting = self._waiting[:-1], self._waiting[-1:]
            self._send(waiting)

    def _end_turn(self) -> None:
        self._is_scheduled = False
        waiting, self._waiting = self._waiting, []
        self._send(waiting)

    def _send(self, waiting: list[PromptConnection]) -> None:
        for connection in waiting:
            try:
                connection.send()
            except Exception:  # noqa: BLE001 - as the reactor does, when a producer fails
                self.log.failure("a connection failed while it was sending")
                connection.abortConnection()


class PromptConnection(tcp.Server):
    """An accepted TCP connection that tries to send before it waits for the reactor."""

    _is_queued = False
    _is_watched = False

    def __init__(self, queue: SendQueue, *arguments: Any) -> None:
        self._queue = queue
        super().__init__(*arguments)

    def startWriting(self) -> None:
        """Send at the end of this turn, if the reactor does not wait for the socket already."""
        if not (self._is_queued or self._is_watched):
            self._is_queued = True
            self._queue.add(self)

    def stopWriting(self) -> None:
        """Note that there is nothing to send."""
        self._is_queued = False
        if self._is_watched:
            self._is_watched = False
            super().stopWriting()

    def send(self) -> None:
        """Send what is buffered, and let the reactor send what the system does not accept yet.

        The reactor also closes the connection: after an error, which it meets again, and after the
        last byte.
        """
        if not self._is_queued:
            return
        result = self.doWrite()
        if self.connected and (result is not None or self._is_queued):
            self._is_queued = False
            self._is_watched = True
            super().startWriting()


def send_promptly(port: Any, queue: SendQueue) -> None:
    """Let the connections that ``port`` accepts from now on send in the same turn.

    Ports of other kinds than Twisted's own for streams are not changed.
    """
    if isinstance(port, tcp.Port) and issubclass(port.transport, tcp.Server):
        bases = (PromptConnection, port.transport)
        kind = PromptConnection if port.transport is tcp.Server else type("Prompt", bases, {})
        port.transport = partial(kind, queue)  # type: ignore[assignment]
