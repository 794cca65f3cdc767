"""Handles what a connection receives, for a short time in each reactor turn."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from antigravity.websocket.framer import Framer, Received

#: Seconds per reactor turn for what one connection has received; the rest is handled in the next.
TURN_BUDGET: Final = 0.002
#: The reason to pause until the next turn.
_TURN: Final = "turn"


class Clock(Protocol):
    """The reactor's time."""

    def seconds(self) -> float:
        """Return the time."""

    def callLater(self, delay: float, call: Callable[[], None], /) -> Any:
        """Call ``call`` after ``delay`` seconds, and return what cancels that."""


class Transport(Protocol):
    """The connection."""

    def pauseProducing(self) -> None:
        """Read nothing more."""

    def resumeProducing(self) -> None:
        """Read again."""


class MessageReader:
    """Passes what a connection receives to ``handle``, unless it is paused.

    The connection is paused as long as there is a reason for that.  A kilobyte can hold hundreds
    of frames, and expand to a megabyte: what takes longer than the turn may is handled later.

    :param failed: called with a fault of ``handle``.
    """

    def __init__(
        self,
        clock: Clock,
        transport: Transport,
        framer: Framer,
        handle: Callable[[Received], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._framer = framer
        self._handle = handle
        self._failed = failed
        self._reasons: set[object] = set()
        self._unread: deque[bytes] = deque()
        self._events: Iterator[Received] | None = None
        self._is_reading = self._is_stopped = False
        self._next_turn: Any = None

    @property
    def is_paused(self) -> bool:
        """Whether nothing is handled for now."""
        return bool(self._reasons)

    def receive(self, data: bytes) -> None:
        """Handle ``data`` after what was received before it."""
        if not self._is_stopped:
            self._unread.append(data)
            self._read()

    def pause(self, reason: object) -> None:
        """Read and handle nothing more until :meth:`resume` is called with the same reason."""
        if not self._reasons and not self._is_stopped:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def resume(self, reason: object) -> None:
        """Go on, unless there is another reason to pause."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            self._go_on()

    def resume_all(self) -> None:
        """Go on, whatever the reasons to pause were."""
        if self._reasons:
            self._reasons.clear()
            self._cancel_turn()
            self._go_on()

    def stop(self) -> None:
        """Handle nothing more, and leave the connection as it is."""
        self._is_stopped = True
        self._unread.clear()
        self._cancel_turn()

    def _go_on(self) -> None:
        self._read()
        if not self._reasons and not self._is_stopped:
            self._transport.resumeProducing()

    def _read(self) -> None:
        """Handle what was received, until there is a reason to pause."""
        if self._is_reading:
            return
        self._is_reading = True
        until = self._clock.seconds() + TURN_BUDGET
        try:
            while not self._reasons and not self._is_stopped:
                if self._events is None:
                    if not self._unread:
                        return
                    self._events = self._framer.receive(self._unread.popleft())
                received = next(self._events, None)
                if received is None:
                    self._events = None
                    continue
                self._handle(received)
                if self._clock.seconds() > until and not self._is_stopped:
                    self._wait_for_turn()
        except Exception as fault:  # noqa: BLE001 - it must not leave the other side waiting
            self._failed(fault)
        finally:
            self._is_reading = False

    def _wait_for_turn(self) -> None:
        if self._next_turn is None:
            self.pause(_TURN)
            self._next_turn = self._clock.callLater(0, self._begin_turn)

    def _begin_turn(self) -> None:
        self._next_turn = None
        self.resume(_TURN)

    def _cancel_turn(self) -> None:
        turn, self._next_turn = self._next_turn, None
        if turn is not None:
            turn.cancel()
