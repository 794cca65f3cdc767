"""The fields of a call, in JSON and in forms."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from antigravity.ir.images import RESOLUTIONS, ImageOptions
from antigravity.protocols.json_body import bad_field

GENERATIONS: Final = "openai_images"
EDITS: Final = "openai_image_edits"

QUALITIES: Final = {
    "auto": "",
    "low": "1K",
    "standard": "1K",
    "medium": "2K",
    "hd": "4K",
    "high": "4K",
    "xhigh": "4K",
    "max": "4K",
    "1k": "1K",
    "2k": "2K",
    "4k": "4K",
}
#: The quality that responses report for the requested one; for ``auto`` the size decides.
_REPORTED_QUALITIES: Final = {"1K": "low", "2K": "medium", "4K": "high"}
#: The longest side, in pixels, up to which an image has the resolutions above.
_LONGEST_1K, _LONGEST_2K = 1536, 3072
FORMATS: Final = ("png", "jpeg", "webp")
BACKGROUNDS: Final = ("auto", "opaque", "transparent")
RESPONSE_FORMATS: Final = ("b64_json", "url")

_PAIR: Final = re.compile(r"\s*(\d{1,5})\s*([x*:])\s*(\d{1,5})\s*", re.IGNORECASE)
#: Smaller numbers are a ratio, not pixels.
_FEW: Final = 64


class ImagesBody(Struct):
    """The supported fields of a call; others are reported as losses."""

    prompt: str = ""
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: str | None = None
    quality: str | None = None
    image_size: str | None = None
    camel_image_size: str | None = field(default=None, name="imageSize")
    aspect_ratio: str | None = None
    response_format: str | None = None
    output_format: str | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    background: str | None = None
    stream: bool | None = None
    user: str | None = None
    image: Any | UnsetType = UNSET
    images: Any | UnsetType = UNSET
    mask: Any | UnsetType = UNSET


#: Names on the wire.
KNOWN: Final = frozenset(ImagesBody.__struct_encode_fields__)


def options_of(body: ImagesBody) -> ImageOptions:
    """Return the options for the image.

    :raises InvalidRequestError: if a value is not allowed; the error names the allowed ones.
    """
    width, height, is_ratio, resolution = _size(body.size)
    if body.aspect_ratio and not width:
        width, height, _, _ = _size(body.aspect_ratio, "aspect_ratio")
        is_ratio = True
    named = body.image_size or body.camel_image_size
    if named:
        resolution = _one_of("image_size", named.upper(), tuple(RESOLUTIONS))
    quality = (body.quality or "auto").lower()
    return ImageOptions(
        width=width,
        height=height,
        is_ratio=is_ratio,
        resolution=resolution,
        quality=QUALITIES[_one_of("quality", quality, tuple(QUALITIES))],
        format=_one_of("output_format", _format(body.output_format), ("", *FORMATS)),
        compression=body.output_compression,
        background=_one_of("background", (body.background or "auto").lower(), BACKGROUNDS),
        mask=body.mask is not UNSET and bool(body.mask),
    )


def quality_of(body: ImagesBody, size: tuple[int, int] | None) -> str:
    """Return the quality that a response reports: one of OpenAI's, never ``auto``.

    ``size`` is the width and height of the returned image, if they are known.
    """
    requested = (body.quality or "auto").lower()
    if requested in ("xhigh", "max"):
        return requested
    resolution = QUALITIES.get(requested, "")
    if not resolution and size is not None:
        longest = max(size)
        resolution = "1K" if longest <= _LONGEST_1K else "2K" if longest <= _LONGEST_2K else "4K"
    return _REPORTED_QUALITIES[resolution or "2K"]


def response_format_of(body: ImagesBody) -> str:
    """Return the format in which the client requests its images.

    :raises InvalidRequestError: if it is not a known format.
    """
    return _one_of("response_format", body.response_format or "b64_json", RESPONSE_FORMATS)


def _format(name: str | None) -> str:
    name = (name or "").lower().removeprefix("image/")
    return "jpeg" if name == "jpg" else name


def _size(text: str | None, name: str = "size") -> tuple[int, int, bool, str]:
    """Return width, height, whether they are a ratio, and a resolution."""
    if not text or text.strip().lower() == "auto":
        return 0, 0, False, ""
    if text.strip().upper() in RESOLUTIONS:
        return 0, 0, False, text.strip().upper()
    found = _PAIR.fullmatch(text)
    width, height = (int(found[1]), int(found[3])) if found else (0, 0)
    if found is None or not width or not height:
        raise bad_field(
            name,
            "must be WIDTHxHEIGHT in pixels (1536x1024), a ratio (16:9), a resolution "
            f"({', '.join(RESOLUTIONS)}) or auto",
        )
    return width, height, found[2] == ":" or max(width, height) < _FEW, ""


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        named = [choice for choice in choices if choice]
        raise bad_field(name, f"has an unknown value: {value[:100]!r}", named)
    return value
