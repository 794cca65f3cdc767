"""Server-sent events for pages that are live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall

from antigravity.dashboard.replies import Headers
from antigravity.web.responses import is_closed, set_headers

#: The most streams at a time; each is a tab with a live page.
MAX_STREAMS: Final = 64
#: Seconds between two comments, so that a connection that was lost is noticed.
_KEEP_ALIVE: Final = 15.0
#: Seconds in which new requests are reported together.
_PAUSE: Final = 0.5
_HEADERS: Final[Headers] = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)


class LiveStream:
    """A response that reports how many requests the ledger has got.

    :param listen: registers a function that gets the numbers, and returns one that ends that.
    :param is_permitted: whether the session has not ended.
    :param closed: called when the stream has ended.
    """

    def __init__(
        self,
        clock: Any,
        request: Any,
        listen: Callable[[Callable[[int], None]], Callable[[], None]],
        is_permitted: Callable[[], bool],
        closed: Callable[[LiveStream], None],
    ) -> None:
        self._clock = clock
        self._request = request
        self._listen = listen
        self._is_permitted = is_permitted
        self._closed = closed
        self._waiting = 0
        self._is_open = False
        self._timer: IDelayedCall | None = None
        self._report: IDelayedCall | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        self._done: Deferred[None] = Deferred(lambda _: self._close())

    def start(self) -> Deferred[None]:
        """Write the head; the Deferred fires when the stream has ended, and cancelling ends it."""
        set_headers(self._request, _HEADERS)
        self._is_open = True
        self._write(b"retry: 2000\n\n")
        self._stop_listening = self._listen(self._add)
        self._timer = self._clock.callLater(_KEEP_ALIVE, self._keep_alive)
        return self._done.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def end(self) -> None:
        """End the stream."""
        if self._is_open:
            self._close()
            self._done.callback(None)

    def check(self) -> None:
        """End the stream if its session has ended."""
        if not self._is_permitted():
            self.end()

    def _close(self) -> None:
        self._is_open = False
        self._stop_listening()
        for timer in (self._timer, self._report):
            if timer is not None and timer.active():
                timer.cancel()
        self._closed(self)

    def _add(self, number: int) -> None:
        self._waiting += number
        if self._report is None:
            self._report = self._clock.callLater(_PAUSE, self._write_report)

    def _write_report(self) -> None:
        self._report = None
        number, self._waiting = self._waiting, 0
        self._write(b"event: requests\ndata: %d\n\n" % number)

    def _keep_alive(self) -> None:
        self._timer = self._clock.callLater(_KEEP_ALIVE, self._keep_alive)
        self._write(b":\n\n")
        self.check()

    def _write(self, data: bytes) -> None:
        if not is_closed(self._request):
            self._request.write(data)
