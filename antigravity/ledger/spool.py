"""Rows that wait in a file while the server of the ledger is away.  Call it in the writer's thread.

The file begins with a mark and the place of the first batch that waits.  Each batch has its length,
a checksum and its number of rows before it, so that one whose writing was interrupted is found.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct, field

from antigravity.ledger.errors import LedgerError
from antigravity.ledger.rows import AttemptRow, RequestRow
from antigravity.logs import make_logger
from antigravity.stores.damaged_files import aside_name

_MARK: Final = b"AGspool1"
_HEAD: Final = struct.Struct(">8sQ")
#: Before each batch: its length, its checksum, its number of rows.
_FRAME: Final = struct.Struct(">III")
#: No batch is longer, in bytes.
_LONGEST: Final = 64 * 1024 * 1024


class Batch(Struct):
    """What is written together; ``refusals`` has hours since the epoch, kinds, and numbers."""

    rows: list[RequestRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    refusals: list[tuple[int, str, int]] = field(default_factory=list)


class Spool:
    """The file at ``path``, which is created when it is needed.

    :param limit: its largest size, in bytes.
    :ivar waiting: how many rows wait in it.
    """

    log = make_logger()

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._file: BinaryIO | None = None
        self._start = self._end = 0
        self.waiting = 0

    def open(self) -> None:
        """Find out what waits, if the file exists.

        :raises LedgerError: if it cannot be read.
        """
        if self._file is None and self.path.exists():
            self._open()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, as far as the file was opened."""
        return self._start == self._end

    def append(self, batch: Batch) -> None:
        """Write a batch behind those that wait.

        :raises LedgerError: if it cannot be written, or there is no room for it.
        :raises Exception: if a value cannot be written.
        """
        file = self._file or self._open()
        data = msgspec.msgpack.encode(batch)
        frame = _FRAME.pack(len(data), zlib.crc32(data), len(batch.rows)) + data
        if self._end + len(frame) > self._limit:
            raise LedgerError(f"{self.path.name} has its largest size")
        try:
            _write_at(file, self._end, frame)
        except OSError as error:
            with suppress(OSError):
                file.truncate(self._end)  # a part may have been written
            raise LedgerError(f"{self.path} cannot be written: {error.strerror}") from None
        self._end += len(frame)
        self.waiting += len(batch.rows)

    def peek(self, rows: int) -> tuple[list[Batch], int]:
        """Return the first batches, with so many rows at least if they are there, and their end.

        :raises LedgerError: if the file cannot be read.
        """
        found: list[Batch] = []
        count, place = 0, self._start
        try:
            while place < self._end and count < rows:
                frame = self._frame(place)
                if frame is None:
                    break
                found.append(msgspec.msgpack.decode(frame, type=Batch))
                count += len(found[-1].rows)
                place += _FRAME.size + len(frame)
        except msgspec.DecodeError:
            pass  # of another version: what was read can be used, and the next call says the rest
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be read: {error.strerror}") from None
        if not found and place < self._end:
            self._set_aside()
        return found, place

    def drop(self, batches: list[Batch], end: int) -> None:
        """Forget the first batches, up to a place in the file: they are in the database."""
        file = self._file
        if file is None:
            return
        self.waiting -= sum(len(batch.rows) for batch in batches)
        try:
            if end >= self._end:
                self._start = self._end = _HEAD.size
                self.waiting = 0
                file.truncate(_HEAD.size)
            else:
                self._start = end
            _write_at(file, 0, _HEAD.pack(_MARK, self._start))
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Close the file, and delete it if nothing waits in it."""
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        if self.is_empty:
            self.path.unlink(missing_ok=True)

    def _open(self) -> BinaryIO:
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
            if os.name != "nt":
                self.path.chmod(0o600)
            self._find_batches(self._file)
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be used: {error.strerror}") from None
        return self._file

    def _find_batches(self, file: BinaryIO) -> None:
        head = file.read(_HEAD.size)
        if not head:
            _write_at(file, 0, _HEAD.pack(_MARK, _HEAD.size))
            self._start = self._end = _HEAD.size
            return
        size = os.fstat(file.fileno()).st_size
        mark, start = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0)
        if mark != _MARK or not _HEAD.size <= start <= size:
            self._set_aside()
            self._open()
            return
        self._start = self._end = start
        self.waiting = 0
        for end, rows in self._frames(file, start, size):
            self._end = end
            self.waiting += rows
        if self._end < size:  # the last batch was interrupted
            file.truncate(self._end)

    def _frames(self, file: BinaryIO, place: int, size: int) -> Iterator[tuple[int, int]]:
        """Return the end of each whole batch, and its number of rows."""
        while place + _FRAME.size <= size:
            file.seek(place)
            length, _, rows = _FRAME.unpack(file.read(_FRAME.size))
            place += _FRAME.size + length
            if place > size:
                return
            yield place, rows

    def _frame(self, place: int) -> bytes | None:
        """Return the batch at a place, ``None`` if it is damaged."""
        file = self._file
        assert file is not None
        file.seek(place)
        length, checksum, _ = _FRAME.unpack(file.read(_FRAME.size))
        data = file.read(length) if length <= _LONGEST else b""
        return data if len(data) == length and zlib.crc32(data) == checksum else None

    def _set_aside(self) -> None:
        """Rename a file that cannot be read."""
        aside = aside_name(self.path)
        self.log.error(
            "{name} is damaged, or of another version: it was renamed to {aside}, and its "
            "{n} requests are not in the ledger",
            name=str(self.path),
            aside=aside.name,
            n=self.waiting,
        )
        if self._file is not None:
            self._file.close()
        self._file = None
        self._start = self._end = self.waiting = 0
        os.replace(self.path, aside)


def _write_at(file: BinaryIO, place: int, data: bytes) -> None:
    """Write at a place of an unbuffered file, which takes only a part when the disk gets full.

    :raises OSError: if not all of it can be written.
    """
    file.seek(place)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
