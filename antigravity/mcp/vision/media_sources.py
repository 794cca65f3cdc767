"""Load images and videos from data: URLs, addresses and files."""

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
    """A kind of media: its formats, by content, and its maximum size."""

    media: MediaKind
    noun: str
    limit: int
    types: tuple[str, ...]
    names: str


IMAGE: Final = Kind("image", "image", 5 * _MIB, ("image/png", "image/jpeg"), "png, jpg or jpeg")
VIDEO: Final = Kind("video", "video", 8 * _MIB, ("video/mp4", "video/quicktime"), "mp4, mov or m4v")
#: The first boxes of old QuickTime files, which have no box for the type.
_OLD_BOXES: Final = (b"moov", b"mdat", b"wide", b"free", b"skip")

#: A function that calls a blocking function in a thread.
InThread = Callable[..., Deferred[Any]]


class MediaSources:
    """A loader of ``data:`` URLs, addresses, and paths below ``roots``."""

    def __init__(self, fetcher: IMediaFetcher, roots: Sequence[Path], in_thread: InThread) -> None:
        self._fetcher = fetcher
        self._roots = tuple(roots)
        self._in_thread = in_thread

    async def get(self, source: str, kind: Kind) -> Media:
        """Return the media at ``source``.

        :raises ToolError: if it cannot be found or is not of the right kind.
        :raises GatewayError: if it must not be fetched.
        """
        source = source.strip()
        data = await self._read(source, kind)
        if len(data) > kind.limit:
            raise too_large(kind)
        mime_type = _type_of(data)
        if mime_type not in kind.types:
            raise ToolError(f"The {kind.noun} is not valid: it must be {kind.names}.")
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
                f"The {kind.noun} cannot be read: {error}. Pass its address, or a data: URL."
            ) from error
        return data


def too_large(kind: Kind) -> ToolError:
    """Return the error for media that are too large."""
    return ToolError(f"The {kind.noun} is larger than {kind.limit // _MIB} MiB.")


def _inline(source: str, kind: Kind) -> bytes:
    found = split_data_url(source)
    if found is None:
        raise ToolError("A data: URL must use base64: data:image/png;base64,...")
    text = found[1]
    if len(text) // 4 * 3 > kind.limit + 3:
        raise too_large(kind)
    try:
        return base64.b64decode(unquote(text), validate=True)
    except (binascii.Error, ValueError):
        raise ToolError("The data: URL does not hold valid base64.") from None


def _path_of_file_url(source: str) -> str:
    try:
        parts = urlsplit(source)
    except ValueError:
        raise ToolError("The file: URL is malformed.") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise ToolError(
            "A file: URL must name a file on the gateway's machine: file:///folder/file"
        )
    return unquote(parts.path)


def _type_of(data: bytes) -> str | None:
    if data[4:8] in _OLD_BOXES:
        return "video/quicktime"
    return sniff(data)
