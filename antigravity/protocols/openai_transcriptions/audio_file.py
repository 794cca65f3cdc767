"""The type of an audio file, by its name and by its first bytes, which must agree."""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.sniff import sniff
from antigravity.protocols.json_body import bad_field

_MP4: Final = frozenset(("audio/mp4", "video/mp4", "video/quicktime"))
_MPEG: Final = frozenset(("audio/mpeg",))
_OGG: Final = frozenset(("audio/ogg",))
_AIFF: Final = frozenset(("audio/aiff",))
#: The content types of files with an extension.
CONTENTS: Final = {
    "mp3": _MPEG,
    "wav": frozenset(("audio/wav",)),
    "m4a": _MP4,
    "ogg": _OGG,
    "flac": frozenset(("audio/flac",)),
    "aiff": _AIFF,
    "webm": frozenset(("video/webm",)),
    "mp4": _MP4,
    "mpga": _MPEG,
    "mpeg": _MPEG,
    "aac": frozenset(("audio/aac",)),
    "aif": _AIFF,
    "oga": _OGG,
    "opus": _OGG,
}
_KNOWN: Final = frozenset().union(*CONTENTS.values())
#: The number of bytes by which a file is recognised.
_HEAD: Final = 4096
#: Matches an MP4 file with video.
_VIDEO: Final = re.compile(rb"hdlr.{8}vide", re.DOTALL)
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,8})\s*\Z")


def audio_type(filename: str, body: bytes, start: int, end: int) -> str:
    """Return the MIME type of the recording in ``body`` from ``start`` to ``end``.

    :raises InvalidRequestError: if it is not a recording, or does not match its file name.
    """
    head = body[start : min(end, start + _HEAD)]
    if not head:
        raise bad_field("file", "is empty")
    found = sniff(head[:64]) or sniff(head.lstrip(b"\0")[:64]) or ""
    extension = _EXTENSION.search(filename)
    named = extension[1].lower() if extension else ""
    if found not in _KNOWN:
        what = found or "unknown"
        raise _unknown(f"is not a recording; its content is {what}")
    if named in CONTENTS and found not in CONTENTS[named]:
        raise _unknown(f"has the extension {named}, but its content is {found}")
    if named and named not in CONTENTS:
        raise _unknown(f"has the extension {named}, which is not an audio format")
    if found in _MP4:
        return "video/mp4" if _VIDEO.search(body, start, end) else "audio/mp4"
    return "audio/webm" if found == "video/webm" else found


def _unknown(problem: str) -> InvalidRequestError:
    return bad_field("file", problem, list(CONTENTS))
