"""Sends the frames of messages at the pace of the server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class FrameQueue:
    """Messages that wait for their turn, each an iterator of its frames.

    A frame is only made when it can be sent.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._messages: deque[Iterator[bytes]] = deque()
        self._is_full = False
        self._pong = b""

    def send(self, frames: Iterator[bytes]) -> None:
        """Send a message after those before it."""
        self._messages.append(frames)
        if len(self._messages) == 1:
            self._write()

    def send_pong(self, frame: bytes) -> None:
        """Send the response to a ping; a server that reads nothing gets only the last one."""
        if self._is_full:
            self._pong = frame
        else:
            self._transport.write(frame)

    def _write(self) -> None:
        """Send frames until the connection is full."""
        while self._messages and not self._is_full:
            frame = next(self._messages[0], None)
            if frame is None:
                self._messages.popleft()
            else:
                self._transport.write(frame)

    def clear(self) -> None:
        """Send nothing more."""
        self._messages.clear()
        self._pong = b""

    def pauseProducing(self) -> None:
        """Send nothing more: the server does not read fast enough."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Send again."""
        self._is_full = False
        pong, self._pong = self._pong, b""
        if pong:
            self._transport.write(pong)
        self._write()

    def stopProducing(self) -> None:
        """Do nothing: the loss of the connection is reported, too."""
