"""What happens to files when a client is connected or disconnected, and what is remembered."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from antigravity.connect import changes
from antigravity.connect.changes import Change, SettingRecord
from antigravity.connect.client import Client, Format


class ConnectError(Exception):
    """A client cannot be connected or disconnected; the message is for the user."""


class ChangedMeanwhileError(ConnectError):
    """A file is not what it was when its change was computed."""


class FileRecord(Struct, frozen=True):
    """A file that was changed when a client was connected.

    :ivar existed: whether it was there before.
    :ivar digest: of the bytes that were written; empty if they had changes of others, so that the
        file cannot become what it was before.
    :ivar backup: a copy of what it was, in the gateway's home.
    :ivar made: the first of the folders above it that were made for it, empty if none was.
    :ivar mode: its permissions before others lost theirs, ``None`` if they did not.
    """

    path: str
    format: Format
    existed: bool
    digest: str
    settings: list[SettingRecord]
    backup: str = ""
    root: Any = None
    made: str = ""
    mode: int | None = None


class Connection(Struct, frozen=True):
    """A client that was connected.

    :ivar time: seconds since the epoch.
    """

    address: str
    time: float
    files: list[FileRecord]


class FileChange(Struct, frozen=True):
    """What happens to one file.

    :ivar before: its bytes, ``None`` if there is none.
    :ivar after: its bytes, ``None`` if it is removed.
    :ivar modes: its permissions before and after, ``None`` if they stay.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    change: Change
    format: Format
    root: Any = None
    record: FileRecord | None = None
    modes: tuple[int, int] | None = None

    @property
    def is_change(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after or self.modes is not None


class Plan(Struct, frozen=True):
    """What happens when a client is connected or disconnected."""

    client: Client
    files: Sequence[FileChange]
    address: str = ""

    @property
    def is_change(self) -> bool:
        """Whether any file changes."""
        return any(file.is_change for file in self.files)

    @property
    def left(self) -> list[str]:
        """The settings that were changed since, and stay."""
        return [name for file in self.files for name in file.change.left]

    @property
    def permissions(self) -> list[str]:
        """Sentences about permissions that change."""
        return [
            f"{file.path} gets the mode {new:04o} instead of {old:04o}"
            + (": it holds the gateway's key." if new < old else ", as it was before.")
            for file in self.files
            if file.modes is not None
            for old, new in (file.modes,)
        ]

    def documents(self) -> list[Any]:
        """Return the settings in the files that change, before and after."""
        return [
            changes.open_document(file.format, content.decode("utf-8"), file.root).plain()
            for file in self.files
            if file.is_change
            for content in (file.before, file.after)
            if content is not None
        ]

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        return "".join(line for file in self.files if file.is_change for line in _diff(file))


class State(Struct, frozen=True):
    """Whether a client is there, and where it points.

    :ivar state: ``changed`` if somebody has changed settings of ours since.
    :ivar address: where its configuration points, ``""`` if that is not known.
    """

    client: str
    title: str
    installed: bool
    state: Literal["connected", "changed", "elsewhere", "not connected", "by hand", "unreadable"]
    address: str = ""
    problem: str = ""


def _diff(file: FileChange) -> Iterator[str]:
    before = (file.before or b"").decode("utf-8", "replace").splitlines(keepends=True)
    after = (file.after or b"").decode("utf-8", "replace").splitlines(keepends=True)
    old = "/dev/null" if file.before is None else str(file.path)
    new = "/dev/null" if file.after is None else str(file.path)
    for line in difflib.unified_diff(before, after, old, new, n=2):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
