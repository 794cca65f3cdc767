"""Images and videos, from wherever a client says that they are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp_values import ToolError
from antigravity.interfaces.transport import IMediaFetcher
from antigravity.ir.media import InlineData, MediaKind, split_data_url
from antigravity.ir.parts import Media
from antigravity.ir.sniff import sniff
from antigravity.mcp.vision.files import FileRefusedError, FileTooLargeError, read_below

_MIB: Final = 1024 * 1024


class Kind(Struct, frozen=True):
    """What may be looked at, by its content."""

    media: MediaKind
    noun: str
    limit: int
    types: tuple[str, ...]
    names: str


IMAGE: Final = Kind("image", "image", 5 * _MIB, ("image/png", "image/jpeg"), "png, jpg or jpeg")
VIDEO: Final = Kind("video", "video", 8 * _MIB, ("video/mp4", "video/quicktime"), "mp4, mov or m4v")
#: How files of QuickTime may begin that are older than the box that tells the type.
_OLD_BOXES: Final = (b"moov", b"mdat", b"wide", b"free", b"skip")

#: Calls a function that waits for the disk in a thread.
InThread = Callable[..., Deferred[Any]]


class MediaSources:
    """Gets what is named: ``data:`` URLs, addresses, and paths below ``roots``."""

    def __init__(self, fetcher: IMediaFetcher, roots: Sequence[Path], in_thread: InThread) -> None:
        self._fetcher = fetcher
        self._roots = tuple(roots)
        self._in_thread = in_thread

    async def get(self, source: str, kind: Kind) -> Media:
        """Return what is at ``source``.

        :raises ToolError: if it is not there, or not of that kind.
        :raises GatewayError: if it must not be fetched.
        """
        source = source.strip()
        data = await self._read(source, kind)
        if len(data) > kind.limit:
            raise too_large(kind)
        mime_type = _type_of(data)
        if mime_type not in kind.types:
            raise ToolError(f"The {kind.noun} is none: it has to be {kind.names}.")
        return Media(kind.media, InlineData(base64.b64encode(data).decode()), mime_type)

    async def _read(self, source: str, kind: Kind) -> bytes:
        scheme = source.partition(":")[0].lower()
        if scheme == "data":
            return _inline(source, kind)
        if scheme in ("http", "https"):
            return (await self._fetcher.fetch(source)).data
        path = _path_of_file_url(source) if scheme == "file" else source
        try:
            data: bytes = await self._in_thread(read_below, self._roots, path, kind.limit)
        except FileTooLargeError as error:
            raise too_large(kind) from error
        except FileRefusedError as error:
            raise ToolError(
                f"The {kind.noun} was not read: {error}. Give its address, or a data: URL."
            ) from error
        return data


def too_large(kind: Kind) -> ToolError:
    """Return what is said of something that is too large."""
    return ToolError(f"The {kind.noun} is larger than {kind.limit // _MIB} MiB.")


def _inline(source: str, kind: Kind) -> bytes:
    found = split_data_url(source)
    if found is None:
        raise ToolError("A data: URL has to be base64: data:image/png;base64,...")
    text = found[1]
    if len(text) // 4 * 3 > kind.limit + 3:
        raise too_large(kind)
    try:
        return base64.b64decode(unquote(text), validate=True)
    except (binascii.Error, ValueError):
        raise ToolError("The data: URL holds no valid base64.") from None


def _path_of_file_url(source: str) -> str:
    try:
        parts = urlsplit(source)
    except ValueError:
        raise ToolError("The file: URL is malformed.") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise ToolError("A file: URL names a file of the gateway's machine: file:///folder/file")
    return unquote(parts.path)


def _type_of(data: bytes) -> str | None:
    if data[4:8] in _OLD_BOXES:
        return "video/quicktime"
    return sniff(data)
