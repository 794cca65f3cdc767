"""The channel to a server that is a subprocess: each line is a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.logs import make_logger
from antigravity.mcp.client.channel import OutgoingMessage, Receive
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.messages import RequestId, Response
from antigravity.processes.guarded import OnEnd, OnLine, OnOutput
from antigravity.sse import PIECE_COST

#: The maximum size of a message in bytes.
_LONGEST: Final = 64 * 1024 * 1024
#: Seconds that a program has to exit after its standard input is closed.
EXIT_TIMEOUT: Final = 1.0


class Process(Protocol):
    """A running program."""

    def write(self, data: bytes) -> bool:
        """Write to its standard input; return whether that was possible."""

    def close_input(self) -> None:
        """Close its standard input."""

    def stop(self) -> None:
        """Terminate the program."""


#: A function that starts the program; it can raise ``OSError``.
Spawn = Callable[[OnLine, OnEnd, OnOutput], Process]


class StdioChannel:
    """A channel to the program that ``spawn`` starts.

    ``on_stderr`` receives the lines of its standard error.

    :raises OSError: if it cannot be started.
    """

    has_headers = False
    log = make_logger()

    def __init__(
        self, name: str, clock: IReactorTime, spawn: Spawn, on_stderr: OnLine, receive: Receive
    ) -> None:
        self.lost: Deferred[str] = Deferred()
        self._name = name
        self._clock = clock
        self._receive = receive
        self._pending: dict[RequestId, Deferred[None]] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._closing: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._is_over = False
        self._process = spawn(on_stderr, self._ended, self._received)

    def send(self, message: OutgoingMessage) -> Deferred[None]:
        """Send a message; see :class:`Channel`."""
        if self._is_over or not self._process.write(message.data + b"\n"):
            return fail(McpConnectionError(f"{self._name} does not accept messages now."))
        if message.id is None:
            return succeed(None)
        id = message.id  # noqa: A001
        done: Deferred[None] = Deferred(lambda _: self._forget(id))
        self._pending[id] = done
        return done

    def _forget(self, id: RequestId) -> None:  # noqa: A002
        self._pending.pop(id, None)

    def agreed(self, version: str) -> None:
        """Do nothing, because messages do not depend on the revision."""

    def listen(self) -> Deferred[bool]:
        """Do nothing, because there is only one stream."""
        return succeed(False)

    def close(self) -> Deferred[None]:
        """Close the program's input, and terminate it if it does not exit."""
        if self._is_over:
            return succeed(None)
        if self._closing is None:
            self._closing = Deferred()
            self._process.close_input()
            self._timer = self._clock.callLater(EXIT_TIMEOUT, self._stop)
        return self._closing

    def _stop(self) -> None:
        self._timer = None
        self._process.stop()

    def _received(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._pieces.append(line)
            whole = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            self._parse(whole)
        if rest:
            self._pieces.append(rest)
            self._size += len(rest) + PIECE_COST
            if self._size > _LONGEST:
                self._pieces, self._size = [], 0
                self.log.error(
                    "{name} sent a message of more than {limit} bytes and is stopped",
                    name=self._name,
                    limit=_LONGEST,
                )
                self._process.stop()

    def _parse(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            # A response without an id belongs to the pending request, if there is exactly one.
            about = next(iter(self._pending)) if len(self._pending) == 1 else None
            found = messages.parse_responses(line, about)
        except messages.MalformedMessageError:
            self.log.debug("{name} printed a line that is not a message", name=self._name)
            return
        for message in found:
            self._receive(message, None)
            if isinstance(message, Response):
                done = self._pending.pop(message.id, None)
                if done is not None:
                    done.callback(None)

    def _ended(self, code: int | None) -> None:
        self._is_over = True
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        reason = f"the program ended with exit code {code}"
        pending, self._pending = self._pending, {}
        for done in pending.values():
            done.errback(McpConnectionError(f"{self._name} has exited: {reason}."))
        if not self.lost.called:
            self.lost.callback(reason)
        closing: Any = self._closing
        if closing is not None:
            closing.callback(None)
