"""Parses a call: a JSON object, or a form with the images to edit."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, Struct

from antigravity.ir.call import Call
from antigravity.ir.media import FileReference, InlineData, UrlSource, split_data_url
from antigravity.ir.parts import Media
from antigravity.ir.sniff import sniff
from antigravity.protocols.json_body import bad_field, convert, load_object
from antigravity.protocols.multipart import Form, Part, is_form, read_form
from antigravity.protocols.openai_images.schema import KNOWN, ImagesBody

_IMAGES: Final = ("image", "image[]", "images", "images[]")
_MASK: Final = "mask"
_MEMO: Final = "images"


class ParsedCall(Struct):
    """The known fields of a call, and the names and values of the others."""

    body: ImagesBody
    unknown: dict[str, Any]


def parse_call(call: Call) -> ParsedCall:
    """Return the fields of a call, parsed once.

    :raises InvalidRequestError: naming the field at fault.
    """
    known = call.memo.get(_MEMO)
    if not isinstance(known, ParsedCall):
        known = call.memo[_MEMO] = _read(call)
    return known


def _read(call: Call) -> ParsedCall:
    fields: dict[str, Any]
    if is_form(call.headers):
        # An empty field of a form counts as missing; all values are text.
        fields = {name: text for name, text in read_form(call).fields() if text != ""}
        if read_form(call).files(_MASK):
            fields[_MASK] = True
    else:
        fields = load_object(call.body)
    body: ImagesBody = convert(
        {name: value for name, value in fields.items() if value is not None},
        ImagesBody,
        strict=not is_form(call.headers),
    )
    unknown = {name: value for name, value in fields.items() if name not in KNOWN}
    return ParsedCall(body, {name: v for name, v in unknown.items() if name not in _IMAGES})


def images_to_edit(call: Call) -> tuple[list[Media], Media | None]:
    """Return the images to edit, and the mask for the first of them.

    :raises InvalidRequestError: if there is none, or a file is not an image.
    """
    body = parse_call(call).body
    if is_form(call.headers):
        images, masks = _files(read_form(call))
    else:
        images = []
        for name, value in (("image", body.image), ("images", body.images)):
            items = [] if value is UNSET or value is None else value
            for place, item in enumerate(items if isinstance(items, list) else [items]):
                where = f"{name}[{place}]" if isinstance(items, list) else name
                images.append(_media_of(item, where))
        masks = [] if body.mask is UNSET or not body.mask else [_media_of(body.mask, _MASK)]
    if not images:
        raise bad_field("image", "is required: an image to edit")
    return images, masks[-1] if masks else None


def _files(form: Form) -> tuple[list[Media], list[Media]]:
    for part in form.parts:
        if part.name in (*_IMAGES, _MASK) and part.filename is None and part.end > part.start:
            raise bad_field(part.name, "must be a file: give its part a file name")
    images = [_file(form, part) for part in form.files(*_IMAGES)]
    return images, [_file(form, part) for part in form.files(_MASK)]


def _file(form: Form, part: Part) -> Media:
    data = form.data(part)
    if not data:
        raise bad_field(part.name, "is an empty file")
    found = sniff(bytes(data[:64])) or part.content_type
    if not found.startswith("image/"):
        raise bad_field(part.name, f"is not an image, but {found or 'an unknown format'}")
    encoded = binascii.b2a_base64(data, newline=False).decode("ascii")
    return Media("image", InlineData(encoded), found, title=None)


def _media_of(item: Any, where: str) -> Media:
    """Return the image that a JSON value contains or refers to."""
    url = item
    if isinstance(item, Mapping):
        url = item.get("image_url") or item.get("url")
        if isinstance(url, Mapping):
            url = url.get("url")
        if not url and isinstance(item.get("file_id"), str):
            return Media("image", FileReference(item["file_id"], "openai"))
    if not isinstance(url, str) or not url:
        raise bad_field(where, "must be a URL, a data URL, or an object with `image_url`")
    inline = split_data_url(url)
    if inline is not None:
        mime_type, data = inline
        if not mime_type.startswith("image/"):
            raise bad_field(where, f"is not an image, but {mime_type}")
        return Media("image", InlineData(data), mime_type)
    if not url.lower().startswith(("http://", "https://")):
        raise bad_field(where, "must be an http or https URL, or a base64 data URL")
    return Media("image", UrlSource(url))
