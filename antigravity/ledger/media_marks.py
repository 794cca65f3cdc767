"""Replaces files in bodies by marks with their type, size and hash.  Pure."""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import Final

#: Every string in base64 of at least twice so many characters is looked at.
_STEP: Final = 256
#: So many bytes around a string are searched for what it is.
_AROUND: Final = 300
#: A multiple of 4, and of what a thread may do at a time.
_PIECE: Final = 256 * 1024

_ALPHABET: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\\"
)
_LETTERS: Final = bytes(_ALPHABET)
_BEGINNING: Final = re.compile(rb"[A-Za-z0-9+/_=\\-]*+\Z")
_DATA_URL: Final = re.compile(rb"data:([\w.+-]{1,60}/[\w.+-]{1,60})(?:;[\w=.+-]*)*;base64,\Z")
_MEMBER: Final = re.compile(rb'"(\w{1,60})"\s*:\s*"\Z')
_TYPE: Final = re.compile(
    rb'"(?:mime_?type|media_type)"\s*:\s*"([\w.+-]{1,60}/[\w.+-]{1,60})', re.IGNORECASE
)
#: Members whose value can be a file.
_FILES: Final = frozenset(
    {
        *(b"data", b"b64_json", b"partial_image_b64", b"file_data", b"image", b"result"),
        *(b"bytesBase64Encoded", b"audio", b"imageBytes", b"videoBytes", b"blob"),
    }
)
#: Members that go on with a conversation; they look like files.
_OPAQUE: Final = frozenset(
    {
        *(b"signature", b"thoughtSignature", b"thought_signature", b"encrypted_content"),
        *(b"encryptedContent", b"reasoning_opaque", b"encrypted_index"),
    }
)
_OPAQUE_TYPE: Final = re.compile(rb'"type"\s*:\s*"(?:redacted_thinking|compaction)"')
_STREAMED_FILE: Final = re.compile(rb'"type"\s*:\s*"[\w.]*(?:audio|image)[\w.]*"')

#: What files begin with.
_BEGINNINGS: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
UNKNOWN: Final = "application/octet-stream"


def mark(kind: str, size: int, digest: str, *, is_cut: bool = False) -> str:
    """Return the mark of a file."""
    if is_cut:
        return f"[{kind}, more than {size} bytes]"
    return f"[{kind}, {size} bytes, sha256:{digest}]"


def kind_of(data: bytes) -> str:
    """Return the type of a file by its first bytes, empty if it is unknown."""
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return "video/mp4"
    return next((kind for start, kind in _BEGINNINGS if data.startswith(start)), "")


def replace_media(text: bytes, *, is_cut: bool = False) -> tuple[bytes, int]:
    """Return JSON or events with marks in the place of files in base64, and how many there are.

    What models sent to be sent back to them, such as signatures, stays.

    :param is_cut: whether the end of the text is missing.
    """
    out: list[bytes] = []
    done, place, count = 0, _STEP, 0
    while place < len(text):
        if text[place] not in _ALPHABET:
            place += _STEP
            continue
        end = _end_of_run(text, place)
        found = _BEGINNING.search(text, max(done, place - _STEP), place)
        begin = place if found is None else found.start()
        if end - begin >= 2 * _STEP:
            kind = _kind_at(text, begin, end)
            if kind:
                broken = is_cut and end == len(text)
                out += (text[done:begin], _mark_of(text[begin:end], kind, is_cut=broken))
                done = end
                count += 1
        place = end + _STEP
    if not count:
        return text, 0
    out.append(text[done:])
    return b"".join(out), count


def _end_of_run(text: bytes, place: int) -> int:
    """Return where a run of base64 ends."""
    while place < len(text):
        piece = text[place : place + 4096]
        rest = piece.lstrip(_LETTERS)
        place += len(piece) - len(rest)
        if rest:
            return place
    return len(text)


def _kind_at(text: bytes, begin: int, end: int) -> str:
    """Return the type of the file in a string, empty for other text."""
    before = text[max(0, begin - _AROUND) : begin]
    url = _DATA_URL.search(before)
    if url is not None:
        return url[1].decode()
    found = kind_of(_decode(text[begin : begin + 64]))
    member = _MEMBER.search(before)
    if member is None or member[1] in _OPAQUE:
        return found if member is None else ""
    if member[1] == b"delta" and _STREAMED_FILE.search(before):
        return found or UNKNOWN
    if member[1] not in _FILES or _OPAQUE_TYPE.search(before):
        return found
    type_ = _TYPE.search(before) or _TYPE.search(text, end, end + _AROUND)
    return found or (UNKNOWN if type_ is None else type_[1].decode())


def _mark_of(encoded: bytes, kind: str, *, is_cut: bool) -> bytes:
    if b"\\" in encoded:
        encoded = encoded.replace(b"\\/", b"/").replace(b"\\n", b"").replace(b"\\r", b"")
    digest = hashlib.sha256()
    size = 0
    for start in range(0, len(encoded), _PIECE):
        data = _decode(encoded[start : start + _PIECE])
        digest.update(data)
        size += len(data)
    return mark(kind, size, digest.hexdigest(), is_cut=is_cut).encode()


def _decode(encoded: bytes) -> bytes:
    """Return what base64 text, in any alphabet, stands for; it may lack its end."""
    plain = encoded.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    usable = len(plain) - (1 if len(plain) % 4 == 1 else 0)
    try:
        return binascii.a2b_base64(plain[:usable] + b"=" * (-usable % 4))
    except binascii.Error:
        return b""


_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,200})', re.IGNORECASE)
_FILENAME: Final = re.compile(rb"filename\*?=", re.IGNORECASE)
_PART_TYPE: Final = re.compile(rb"content-type:\s*([^\r\n;]{1,120})", re.IGNORECASE)


def replace_parts(body: bytes, content_type: str, *, is_cut: bool = False) -> tuple[bytes, int]:
    """Return a ``multipart/form-data`` body with marks in the place of files, and their number."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return mark(UNKNOWN, len(body), hashlib.sha256(body).hexdigest()).encode(), 1
    boundary = b"--" + found[1].strip().encode("latin-1", "replace")
    pieces = body.split(boundary)
    count = 0
    for place, piece in enumerate(pieces):
        head, blank, content = piece.partition(b"\r\n\r\n")
        if not blank:
            continue
        data = content.removesuffix(b"\r\n")
        type_ = _PART_TYPE.search(head)
        if not _FILENAME.search(head) and (type_ is None or type_[1].startswith(b"text/")):
            continue
        kind = kind_of(data) or (UNKNOWN if type_ is None else type_[1].strip().decode("latin-1"))
        broken = is_cut and place == len(pieces) - 1
        text = mark(kind, len(data), hashlib.sha256(data).hexdigest(), is_cut=broken)
        pieces[place] = head + blank + text.encode() + b"\r\n"
        count += 1
    return boundary.join(pieces), count
