"""What calls ask for, in JSON and in forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.images import ImageOptions
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Media, Text
from antigravity.protocols.multipart import parse_form
from tests.protocols.openai_images.builders import (
    DRAW,
    EDIT,
    draw,
    edit,
    field,
    file,
    form,
    png,
    text,
)

CAT, DOG, MASK = png(8, 8), png(16, 8), png(8, 9)


def wish(**fields: Any) -> ImageOptions:
    image = DRAW.decode(draw(prompt="a cat", **fields)).image
    assert image is not None
    return image


def test_minimal_image_request_is_decoded() -> None:
    call = draw(prompt="a cat", model="m", n=3, user="me", stream=True)
    request = DRAW.decode(call)
    assert DRAW.peek(call) == DRAW.peek(draw(prompt="x", model="m", stream=True))
    assert (request.model, request.stream, request.sampling.n) == ("m", True, 3)
    assert request.messages[0].parts == (Text("a cat"),)
    assert request.modalities == ("image",)
    assert request.user == "me"
    assert request.image == ImageOptions(background="auto")
    assert request.extensions == {}


def test_the_model_may_be_left_out() -> None:
    assert DRAW.peek(draw(prompt="a cat")).model == ""
    assert b'"model":"m"' in DRAW.with_model(draw(prompt="a cat"), "m")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("auto", (0, 0, False, "")),
        ("", (0, 0, False, "")),
        ("1536x1024", (1536, 1024, False, "")),
        ("1536*1024", (1536, 1024, False, "")),
        (" 1024 X 768 ", (1024, 768, False, "")),
        ("16:9", (16, 9, True, "")),
        ("16x9", (16, 9, True, "")),
        ("2k", (0, 0, False, "2K")),
    ],
)
def test_sizes_are_decoded(size: str, expected: tuple[int, int, bool, str]) -> None:
    found = wish(size=size)
    assert (found.width, found.height, found.is_ratio, found.resolution) == expected


@given(st.integers(64, 9999), st.integers(64, 9999))
def test_any_pixel_size_is_decoded(width: int, height: int) -> None:
    found = wish(size=f"{width}x{height}")
    assert (found.width, found.height, found.is_ratio) == (width, height, False)


def test_qualities_and_resolutions() -> None:
    assert wish(quality="hd").quality == "4K"
    assert wish(quality="standard").quality == "1K"
    assert wish(quality="auto").quality == ""
    assert wish(image_size="2k").resolution == "2K"
    assert wish(imageSize="4K", size="1K").resolution == "4K", "the field goes before the size"
    assert wish(aspect_ratio="3:2").width == 3
    assert wish(output_format="image/jpg").format == "jpeg"


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"prompt": ""}, "prompt", "required"),
        ({"prompt": None}, "prompt", "required"),
        ({"size": "huge"}, "size", "16:9"),
        ({"size": "0x1024"}, "size", "auto"),
        ({"quality": "best"}, "quality", "standard"),
        ({"image_size": "8K"}, "image_size", "4K"),
        ({"response_format": "file"}, "response_format", "b64_json, url"),
        ({"output_format": "svg"}, "output_format", "png, jpeg, webp"),
        ({"background": "red"}, "background", "opaque"),
        ({"n": 0}, "n", "from 1 to 10"),
        ({"n": 11}, "n", "from 1 to 10"),
        ({"n": "2"}, "n", "an integer"),
        ({"output_compression": 101}, "output_compression", "from 0 to 100"),
    ],
)
def test_unsupported_values_are_refused_naming_the_supported_ones(
    fields: dict[str, Any], param: str, named: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        DRAW.decode(draw(**{"prompt": "a cat", **fields}))
    assert refused.value.param == param
    assert named in refused.value.message


def test_fields_of_openai_only_become_extensions() -> None:
    request = DRAW.decode(draw(prompt="a cat", style="vivid", moderation="low"))
    assert request.extensions == {"style": "vivid", "moderation": "low"}


def test_a_form_with_several_images() -> None:
    call = form(
        field("model", "m"),
        field("prompt", "together"),
        field("n", "2"),
        field("stream", "true"),
        field("quality", ""),
        file("image[]", CAT),
        file("image[]", DOG, "application/octet-stream"),
    )
    request = EDIT.decode(call)
    assert (request.sampling.n, request.stream) == (2, True)
    assert request.messages[0].parts == (
        Media("image", InlineData(text(CAT)), "image/png"),
        Media("image", InlineData(text(DOG)), "image/png"),
        Text("together"),
    )
    assert request.image is not None
    assert not request.image.mask


def test_a_mask_is_shown_and_explained() -> None:
    call = form(
        field("prompt", "a hat"), file("mask", MASK), file("image", CAT), file("image", DOG)
    )
    request = EDIT.decode(call)
    cat, mask, dog, note, prompt = request.messages[0].parts
    assert [part.source for part in (cat, mask, dog)] == [  # type: ignore[union-attr]
        InlineData(text(data)) for data in (CAT, MASK, DOG)
    ]
    assert "mask" in note.text  # type: ignore[union-attr]
    assert prompt == Text("a hat")
    assert request.image is not None
    assert request.image.mask


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([field("prompt", "x")], "image"),
        ([field("prompt", "x"), field("image", "http://h/cat.png")], "image"),
        ([field("prompt", "x"), file("image", b"")], "image"),
        ([field("prompt", "x"), file("image", b"%PDF-1.7", "image/png")], "image"),
        ([field("prompt", "x"), file("image", b"?", "text/plain")], "image"),
        ([field("prompt", "x"), file("image", CAT), file("mask", b"?", "")], "mask"),
        ([field("n", "two"), field("prompt", "x"), file("image", CAT)], "n"),
    ],
)
def test_forms_that_cannot_be_used(parts: list[Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        EDIT.decode(form(*parts))
    assert refused.value.param == param


def test_with_model_changes_only_the_model_of_a_form() -> None:
    call = form(field("model", "old"), field("prompt", "x"), file("image", CAT))
    changed = b"".join(EDIT.with_model(call, "new"))  # type: ignore[arg-type]
    assert changed == call.body.replace(b"\r\n\r\nold\r\n", b"\r\n\r\nnew\r\n")
    assert EDIT.with_model(call, "old") is call.body, "nothing is copied"
    unnamed = form(field("prompt", "x"), file("image", CAT))
    named = b"".join(EDIT.with_model(unnamed, "new"))  # type: ignore[arg-type]
    assert parse_form(named, call.headers["content-type"]).text("model") == "new"


def test_json_edits_are_decoded() -> None:
    url = f"data:image/png;base64,{text(CAT)}"
    call = edit(
        prompt="x",
        images=[{"image_url": url}, {"image_url": "https://h/dog.png"}, {"file_id": "file-1"}],
        mask={"image_url": url},
    )
    parts = EDIT.decode(call).messages[0].parts
    sources = [part.source for part in parts if isinstance(part, Media)]
    assert sources == [
        InlineData(text(CAT)),
        InlineData(text(CAT)),
        UrlSource("https://h/dog.png"),
        FileReference("file-1", "openai"),
    ]
    assert len(EDIT.decode(edit(prompt="x", image=url)).messages[0].parts) == 2


@pytest.mark.parametrize("image", ["cat.png", {"id": 3}, 7, "data:text/plain;base64,eA==", []])
def test_json_edits_that_cannot_be_used(image: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        EDIT.decode(edit(prompt="x", image=image))
    assert refused.value.param == "image"
