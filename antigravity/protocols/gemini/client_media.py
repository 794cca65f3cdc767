"""Encodes media of a request as parts."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media
from antigravity.protocols.gemini_media import google_mime_type, google_uri
from antigravity.protocols.losses import Losses

_RESOLUTIONS: Final = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}


def media_fields(media: Media, param: str) -> dict[str, Any]:
    """Return ``inlineData`` or ``fileData`` for media.

    :raises InvalidRequestError: if Google cannot read it.
    """
    source = media.source
    if isinstance(source, InlineData):
        return {"inlineData": {"mimeType": google_mime_type(media), "data": source.data}}
    known = {"mimeType": media.mime_type} if media.mime_type else {}
    return {"fileData": {**known, "fileUri": google_uri(media, param)}}


def media_part(
    media: Media, capabilities: Capabilities, losses: Losses, param: str
) -> dict[str, Any]:
    """Return a part for media.

    :raises InvalidRequestError: if Google cannot read it.
    """
    part = media_fields(media, param)
    if media.title or media.context:
        detail = "titles and context of media were dropped"
        losses.add("messages", detail, content=bool(media.context))
    if media.detail in _RESOLUTIONS:
        if capabilities.media_resolution:
            part["mediaResolution"] = {"level": _RESOLUTIONS[media.detail]}
        else:
            losses.add(
                "messages", "the model does not accept a media resolution; detail was dropped"
            )
    return part
