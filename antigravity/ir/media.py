"""The sources of images, documents, audio and videos."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

MediaKind = Literal["image", "document", "audio", "video"]


class InlineData(Struct, frozen=True, gc=False, tag="inline"):
    """Bytes carried in the request, as standard base64 text (RFC 4648 section 4, padded)."""

    data: str


class UrlSource(Struct, frozen=True, gc=False, tag="url"):
    """An ``http`` or ``https`` URL that the upstream or the gateway fetches."""

    url: str


class FileReference(Struct, frozen=True, gc=False, tag="file"):
    """A file stored at a provider: an OpenAI or Anthropic file id, or a Gemini file URI."""

    id: str
    provider: Literal["openai", "anthropic", "google"]


MediaSource = InlineData | UrlSource | FileReference


def kind_of(mime_type: str) -> MediaKind:
    """Return the media kind of a MIME type; ``document`` if it is no image, audio or video."""
    major = mime_type.partition("/")[0].lower()
    if major in ("image", "audio", "video"):
        return major  # type: ignore[return-value]
    return "document"


#: What clients write in place of a registered type, which providers refuse.
_REGISTERED: Final = {"image/jpg": "image/jpeg"}


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return ``(mime_type, base64 text)`` of a base64 ``data:`` URL (RFC 2397), else ``None``."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    if not comma or not head.lower().endswith(";base64"):
        return None
    mime_type = head[: -len(";base64")].partition(";")[0].strip().lower()
    return _REGISTERED.get(mime_type, mime_type) or "text/plain", data


def data_url(mime_type: str, data: str) -> str:
    """Return the ``data:`` URL of base64 text."""
    return f"data:{mime_type};base64,{data}"
