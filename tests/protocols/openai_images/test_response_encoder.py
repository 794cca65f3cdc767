"""Images on their way to the client."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import EmptyResponseError, InvalidRequestError, UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    MediaOutput,
    ResponseStart,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.response import Response, fold
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_images.image_size import size_of
from tests.protocols.openai_images.builders import (
    DRAW,
    EDIT,
    context,
    draw,
    edit,
    events,
    png,
    text,
)

PICTURE = text(png(1344, 768))
IMAGE = MediaOutput("image/png", InlineData(PICTURE))
USAGE = Usage(input_total=10, output=1300, image_input=4, image_output=1290)


def whole(call: Any, *answer: Event, **more: Any) -> Any:
    import msgspec

    response = fold([ResponseStart(), *answer])
    if more:
        response = msgspec.structs.replace(response, **more)
    reply = DRAW.encode_response(response, context(call, more.pop("published", [])))
    return msgspec.json.decode(reply.body), dict(reply.headers)


def test_base64_is_the_default() -> None:
    body, headers = whole(draw(prompt="x"), TextDelta("Here"), IMAGE, UsageUpdate(USAGE))
    assert body == {
        "created": 1_800_000_000,
        "data": [{"b64_json": PICTURE}],
        "background": "opaque",
        "output_format": "png",
        "quality": "low",
        "size": "1344x768",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 4, "text_tokens": 6},
            "output_tokens": 1300,
            "output_tokens_details": {"image_tokens": 1290, "text_tokens": 10},
            "total_tokens": 1310,
        },
    }
    assert headers == {}


def image(head: bytes, mime_type: str = "image/png") -> MediaOutput:
    return MediaOutput(mime_type, InlineData(text(head)))


OPAQUE_PNG = png(1344, 768)
ALPHA_PNG = OPAQUE_PNG[:25] + b"\x06" + OPAQUE_PNG[26:]
PALETTE_PNG = OPAQUE_PNG.replace(b"IDAT", b"tRNSxxxxIDAT", 1)
VP8X = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0%c" + bytes(9)
VP8L = b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f\0\0\0%c" + bytes(9)


@pytest.mark.parametrize(
    ("event", "wanted", "reported"),
    [
        (image(OPAQUE_PNG), "auto", "opaque"),
        (image(OPAQUE_PNG), "transparent", "opaque"),
        (image(ALPHA_PNG), "auto", "transparent"),
        (image(PALETTE_PNG), "auto", "transparent"),
        (image(VP8X % 0x10, "image/webp"), "auto", "transparent"),
        (image(VP8X % 0, "image/webp"), "auto", "opaque"),
        (image(VP8L % 0x10, "image/webp"), "auto", "transparent"),
        (image(VP8L % 0, "image/webp"), "auto", "opaque"),
        (image(b"\xff\xd8\xff", "image/jpeg"), "auto", "opaque"),
        (MediaOutput("image/png", UrlSource("https://h/1.png")), "transparent", "transparent"),
        (MediaOutput("image/png", UrlSource("https://h/1.png")), "auto", "opaque"),
    ],
)
def test_reported_background_is_that_of_the_image(
    event: MediaOutput, wanted: str, reported: str
) -> None:
    body, _ = whole(draw(prompt="x", background=wanted), event)
    assert body["background"] == reported


@pytest.mark.parametrize(
    ("quality", "size", "reported"),
    [
        ("low", (2048, 2048), "low"),
        ("standard", (1024, 1024), "low"),
        ("hd", (1024, 1024), "high"),
        ("max", (1024, 1024), "max"),
        ("auto", (1024, 1024), "low"),
        ("auto", (2048, 1024), "medium"),
        ("auto", (1024, 4096), "high"),
    ],
)
def test_reported_quality_is_never_auto(quality: str, size: tuple[int, int], reported: str) -> None:
    body, _ = whole(draw(prompt="x", quality=quality), image(png(*size)))
    assert body["quality"] == reported


def test_reported_quality_of_an_image_that_cannot_be_read_is_medium() -> None:
    body, _ = whole(draw(prompt="x"), image(b"?"))
    assert body["quality"] == "medium"


def test_urls_are_published_when_requested() -> None:
    call = draw(prompt="x", response_format="url")
    published: list[tuple[str, str]] = []
    response = fold([IMAGE, MediaOutput("image/jpeg", InlineData("AAAA"), choice=1)])
    reply = DRAW.encode_response(response, context(call, published))
    assert b'"data":[{"url":"http://here/files/1"},{"url":"http://here/files/2"}]' in reply.body
    assert published == [("image/png", PICTURE), ("image/jpeg", "AAAA")]


def test_url_of_the_upstream_is_passed_on() -> None:
    body, _ = whole(draw(prompt="x"), MediaOutput("image/png", UrlSource("https://h/1.png")))
    assert body["data"] == [{"url": "https://h/1.png"}]


def test_failures_are_listed() -> None:
    body, headers = whole(draw(prompt="x", n=2), IMAGE, failures=(UpstreamError("it broke"),))
    assert len(body["data"]) == 1
    assert body["failures"][0]["message"] == "it broke"
    assert headers == {"X-Images-Failed": "1 of 2"}


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("stop", EmptyResponseError, None),
        ("content_filter", InvalidRequestError, "moderation_blocked"),
        ("refusal", InvalidRequestError, "moderation_blocked"),
        ("length", InvalidRequestError, None),
    ],
)
def test_response_without_image_is_an_error(
    reason: FinishReason, kind: Any, code: str | None
) -> None:
    with pytest.raises(kind, match="I would rather not") as failed:
        whole(draw(prompt="x"), TextDelta("I would rather not"), Finish(reason))
    assert failed.value.code == code


def stream(call: Any, *answer: Event) -> list[tuple[str, Any]]:
    protocol = EDIT if call.route in EDIT.routes else DRAW
    encoder = protocol.encoder(context(call, []))
    out = b"".join(encoder.encode(event) for event in answer) + encoder.end()
    assert encoder.encode(IMAGE) == encoder.end() == encoder.keepalive() == b""
    return events(out)


def test_image_becomes_an_event_with_usage() -> None:
    ((name, event),) = stream(
        draw(prompt="x", stream=True, quality="high"),
        ResponseStart(),
        IMAGE,
        Finish("stop"),
        UsageUpdate(USAGE),
    )
    assert name == event["type"] == "image_generation.completed"
    assert event["b64_json"] == PICTURE
    assert (event["size"], event["quality"], event["output_format"]) == ("1344x768", "high", "png")
    assert event["usage"]["total_tokens"] == 1310


def test_edits_have_their_own_events() -> None:
    call = edit(prompt="x", image=f"data:image/png;base64,{PICTURE}", response_format="url")
    ((name, event),) = stream(call, IMAGE, Finish("stop"))
    assert name == "image_edit.completed"
    assert event["url"].endswith("/1")
    assert event["b64_json"] == PICTURE


@given(st.lists(st.sampled_from(["image", "text", "usage"]), max_size=12))
def test_stream_reports_each_image_and_token_once(kinds: list[str]) -> None:
    made: list[Event] = []
    total = Usage()
    for kind in kinds:
        if kind == "image":
            made.append(IMAGE)
        elif kind == "text":
            made.append(TextDelta("."))
        else:
            total = Usage(input_total=7, output=total.output + 5)
            made.append(UsageUpdate(total))
    told = stream(draw(prompt="x"), *made, Finish("stop"))
    images = kinds.count("image")
    if not images:
        ((name, event),) = told
        assert name == "error"
        assert event["error"]["message"]
        return
    assert [name for name, _ in told] == ["image_generation.completed"] * images
    assert sum(event["usage"]["total_tokens"] for _, event in told) == total.total


def test_failed_stream_ends_with_an_error() -> None:
    told = stream(draw(prompt="x"), IMAGE, StreamFailure(UpstreamError("it broke")))
    assert [name for name, _ in told] == ["image_generation.completed", "error"]
    assert told[1][1]["error"]["message"] == "it broke"


def test_keepalive_is_a_comment() -> None:
    assert DRAW.encoder(context(draw(prompt="x"), [])).keepalive().startswith(b":")


# -- how large pictures are -------------------------------------------------------------------


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_sizes_of_png(width: int, height: int) -> None:
    head = png(1, 1)[:16] + struct.pack(">II", width, height)
    assert size_of(text(head)) == (width, height)


@given(st.integers(1, 9000), st.integers(1, 9000), st.binary(max_size=40))
def test_sizes_of_jpeg(width: int, height: int, profile: bytes) -> None:
    head = b"\xff\xd8\xff\xe2" + struct.pack(">H", len(profile) + 2) + profile
    head += b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + b"\3" + bytes(9)
    assert size_of(text(head)) == (width, height)


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_sizes_of_webp(width: int, height: int) -> None:
    start = b"RIFF\0\0\0\0WEBP"
    lossy = start + b"VP8 " + bytes(10) + struct.pack("<HH", width, height)
    packed = (width - 1) | (height - 1) << 14
    lossless = start + b"VP8L" + bytes(5) + struct.pack("<I", packed)
    large = start + b"VP8X" + bytes(8)
    large += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    for head in (lossy, lossless, large):
        assert size_of(text(head)) == (width, height)


@given(st.binary(max_size=60))
def test_data_without_image_has_no_size(data: bytes) -> None:
    start = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8L", b"")
    for each in start:
        size_of(text(each + data))  # whatever it says, it does not fail
    assert size_of("no base64!") is None


def test_empty_response_is_an_error() -> None:
    with pytest.raises(EmptyResponseError):
        DRAW.encode_response(Response(), context(draw(prompt="x"), []))
