"""Image generation, and the requests that are refused."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from antigravity.simulator.errors import ApiError
from antigravity.simulator.image_models import draw_image, pixel_size
from antigravity.simulator.multipart import read_form
from antigravity.simulator.validation.gemini import check as check_gemini
from antigravity.simulator.validation.images import check, check_predict

PRO, FLASH, OLD = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image"
IMAGEN = "imagen-4.0-generate-001"


def gemini(model: str, internal: bool = False, **more: Any) -> None:
    config = {k: more.pop(k) for k in list(more) if k not in ("tools", "systemInstruction")}
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}], **more}
    check_gemini(model, {**body, "generationConfig": config}, internal=internal)


def test_image_has_the_requested_size() -> None:
    view = check({"prompt": "x", "size": "1536x1024"}, False, False)
    data = base64.b64decode(draw_image(view))
    assert struct.unpack(">II", data[16:24]) == (1536, 1024)
    assert b'"prompt":"x"' in data
    assert pixel_size("16:9", "2K") == (2736, 1536)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (PRO, {"imageConfig": {"aspectRatio": "7:3"}}),
        (PRO, {"imageConfig": {"aspectRatio": "8:1"}}),
        (PRO, {"imageConfig": {"imageSize": "512"}}),
        (OLD, {"imageConfig": {"imageSize": "1K"}}),
        (PRO, {"imageConfig": {"mimeType": "image/png"}}),
        (PRO, {"candidateCount": 2}),
        (PRO, {"responseMimeType": "application/json"}),
        (PRO, {"tools": [{"googleSearch": {}}]}),
        ("gemini-2.5-flash", {"responseModalities": ["IMAGE"]}),
        ("gemini-2.5-flash", {"imageConfig": {"aspectRatio": "1:1"}}),
    ],
)
def test_gemini_refuses(model: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        gemini(model, **fields)


def test_gemini_accepts_valid_settings() -> None:
    gemini(PRO, imageConfig={"aspectRatio": "21:9", "imageSize": "4K"})
    gemini(FLASH, imageConfig={"aspectRatio": "8:1", "imageSize": "512"})
    gemini(PRO, responseModalities=["IMAGE"], systemInstruction={"parts": [{"text": "x"}]})


@pytest.mark.parametrize(
    "fields",
    [{"responseModalities": ["IMAGE"]}, {"systemInstruction": {"parts": [{"text": "x"}]}}],
)
def test_code_assist_refuses_settings_of_the_gemini_api(fields: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        gemini(FLASH, internal=True, **fields)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "size": "100x100"}, "size"),
        ({"prompt": "x", "n": 11}, "n"),
        ({"prompt": "x", "n": "1"}, "n"),
        ({"prompt": "x", "quality": "hd"}, "quality"),
        ({"prompt": "x", "response_format": "url"}, "response_format"),
        ({"prompt": "x", "colour": "red"}, "colour"),
        ({"prompt": "x", "model": "gpt-5"}, "model"),
    ],
)
def test_openai_refuses(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        check(fields, False, False)
    assert refused.value.param == param


def test_image_edit_accepts_forms() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na hat\r\n'
        b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n2\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\xff\r\n--b--\r\n"
    )
    fields = read_form("multipart/form-data; boundary=b", body)
    assert fields["image"]["size"] == 8
    view = check(fields, True, True)
    assert (view.prompt, view.choices) == ("a hat", 2)
    assert str(view.attachments[0]) == "[image image/png 8 bytes]"
    with pytest.raises(ApiError):
        check({**fields, "image": "not a file"}, True, True)
    with pytest.raises(ValueError, match="malformed"):
        read_form("multipart/form-data", body)


@pytest.mark.parametrize(
    "parameters",
    [
        {"sampleCount": 5},
        {"aspectRatio": "3:2"},
        {"sampleImageSize": "4K"},
        {"numberOfImages": 1},
    ],
)
def test_imagen_refuses_invalid_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        check_predict(IMAGEN, {"instances": [{"prompt": "x"}], "parameters": parameters})


def test_imagen_accepts_valid_parameters() -> None:
    parameters = {"sampleCount": 2, "aspectRatio": "16:9", "sampleImageSize": "2K"}
    view = check_predict(IMAGEN, {"instances": [{"prompt": "x"}], "parameters": parameters})
    assert (view.choices, view.image_size) == (2, pixel_size("16:9", "2K"))
