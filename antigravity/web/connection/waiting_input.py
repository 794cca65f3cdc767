"""Input that waits until it can be received."""

from __future__ import annotations

from typing import Any, Final

#: Bytes of further requests that are read while one is processed.
_READ_AHEAD: Final = 16 * 1024


class WaitingInput:
    """The bytes that have arrived too early; the transport is paused if they are many."""

    __slots__ = ("_is_paused", "_pieces", "_size", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_paused = False

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> None:
        """Let ``data`` wait."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _READ_AHEAD:
            self.pause()

    def take(self) -> bytes:
        """Return what waits."""
        if not self._pieces:
            return b""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return data

    def pause(self) -> None:
        """Read no more."""
        if not self._is_paused:
            self._is_paused = True
            self._transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        if self._is_paused:
            self._is_paused = False
            self._transport.resumeProducing()
