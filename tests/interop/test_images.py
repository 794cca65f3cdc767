"""OpenAI's images endpoints, called by its own SDK, over every upstream that can draw."""

from __future__ import annotations

import base64
import json
import struct
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIError, APIStatusError, BadRequestError, OpenAI

from tests.interop.samples import PNG as MATERIAL

PNG = base64.b64decode(MATERIAL.data)
OPENAI = "demo-openai/gpt-image-1"
GEMINI = "demo-gemini_api/gemini-3.1-flash-image"
CODE_ASSIST = "demo-codeassist/gemini-3.1-flash-image"
IMAGEN = "demo-gemini_api/imagen-4.0-generate-001"
DRAWING = (OPENAI, GEMINI, CODE_ASSIST, IMAGEN)
EDITING = (OPENAI, GEMINI, CODE_ASSIST)
TRANSLATED = (GEMINI, CODE_ASSIST, IMAGEN)


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def seen(picture: str | None) -> dict[str, Any]:
    """Return what the simulated model wrote into its picture: what it was asked and shown."""
    assert picture is not None
    data = base64.b64decode(picture)
    width, height = struct.unpack(">II", data[16:24])
    place = data.index(b"iTXt")
    (length,) = struct.unpack(">I", data[place - 4 : place])
    note = json.loads(data[place + 4 : place + 4 + length].partition(b"\0\0\0\0\0")[2])
    return {**note, "frame": (width, height)}


@pytest.mark.parametrize("model", DRAWING)
def test_image_is_generated(client: OpenAI, model: str) -> None:
    answer = client.images.generate(model=model, prompt="a cat on a mat", size="1536x1024")
    [image] = answer.data or []
    note = seen(image.b64_json)
    assert note["prompt"] == "a cat on a mat"
    assert note["seen"] == []
    across, down = note["frame"]
    assert across / down == pytest.approx(4 / 3 if model == IMAGEN else 1.5, rel=0.05)
    assert answer.size == f"{across}x{down}"
    assert answer.output_format == "png"
    if model != IMAGEN:
        assert answer.usage is not None
        assert answer.usage.input_tokens > 0
        details = answer.usage.output_tokens_details
        assert details is not None
        assert details.image_tokens > 0


@pytest.mark.parametrize("model", DRAWING)
def test_several_images_are_generated(client: OpenAI, model: str) -> None:
    answer = client.images.generate(model=model, prompt="[[delay 0.01]] cats", n=5)
    assert len(answer.data or []) == 5
    for image in answer.data or []:
        assert "cats" in seen(image.b64_json)["prompt"]


@pytest.mark.parametrize("model", DRAWING)
def test_image_stream(client: OpenAI, model: str) -> None:
    stream = client.images.generate(model=model, prompt="a dog", stream=True)
    events = list(stream)
    assert events[-1].type == "image_generation.completed"
    assert seen(events[-1].b64_json)["prompt"] == "a dog"
    assert events[-1].usage is not None


@pytest.mark.parametrize("model", TRANSLATED)
def test_stream_of_several_images(client: OpenAI, model: str) -> None:
    stream = client.images.generate(model=model, prompt="dogs", stream=True, n=3)
    assert [event.type for event in stream] == ["image_generation.completed"] * 3


def test_partial_images_pass(client: OpenAI) -> None:
    stream = client.images.generate(model=OPENAI, prompt="x", stream=True, partial_images=2)
    types = [event.type.rpartition(".")[2] for event in stream]
    assert types == ["partial_image", "partial_image", "completed"]


@pytest.mark.parametrize("model", EDITING)
def test_images_are_edited(client: OpenAI, model: str) -> None:
    files = [("one.png", PNG, "image/png"), ("two.png", PNG, "image/png")]
    answer = client.images.edit(model=model, image=files, prompt="together", n=1)
    [image] = answer.data or []
    note = seen(image.b64_json)
    assert note["prompt"] == "together"
    assert note["seen"] == [f"[image image/png {len(PNG)} bytes]"] * 2
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens > 0


@pytest.mark.parametrize("model", EDITING)
def test_image_edit_with_mask(client: OpenAI, model: str) -> None:
    raw = client.images.with_raw_response.edit(
        model=model, image=("a.png", PNG), mask=("m.png", PNG), prompt="a hat"
    )
    note = seen((raw.parse().data or [])[0].b64_json)
    assert len(note["seen"]) == 2
    assert "a hat" in note["prompt"]
    if model != OPENAI:
        assert "mask" in note["prompt"]
        assert "mask: " in raw.headers["x-antigravity-warnings"]


@pytest.mark.parametrize("model", EDITING)
def test_image_edit_stream(client: OpenAI, model: str) -> None:
    stream = client.images.edit(model=model, image=("a.png", PNG), prompt="x", stream=True)
    assert [event.type for event in stream] == ["image_edit.completed"]


@pytest.mark.parametrize("model", TRANSLATED)
def test_image_as_url(client: OpenAI, url: str, model: str) -> None:
    answer = client.images.generate(model=model, prompt="a fish", response_format="url")
    [image] = answer.data or []
    assert image.b64_json is None
    assert image.url is not None
    assert image.url.startswith(f"{url}/files/")
    with urllib.request.urlopen(image.url) as response:  # no key, no cookie
        assert response.headers["content-type"] == "image/png"
        data = response.read()
    assert seen(base64.b64encode(data).decode())["prompt"] == "a fish"
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(image.url.replace("/files/", "/files/x"))
    missing.value.close()
    assert missing.value.code == 404


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST])
def test_image_size_by_field_and_by_model_name(client: OpenAI, model: str) -> None:
    def frame(name: str, **fields: Any) -> tuple[int, int]:
        answer = client.images.generate(model=name, prompt="x", **fields)
        found: tuple[int, int] = seen((answer.data or [])[0].b64_json)["frame"]
        return found

    assert frame(model) == (1024, 1024)
    assert frame(model, quality="hd")[0] == 4096
    assert frame(model, extra_body={"imageSize": "2K"})[0] == 2048
    wide = frame(f"{model}-16x9-4k")
    assert wide[0] / wide[1] == pytest.approx(16 / 9, rel=0.05)
    assert wide[0] > 4096
    assert frame(f"{model}-16x9-4k", size="1024x1024", quality="low") == (1024, 1024)


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST])
def test_model_names_with_sizes_work_in_chat(client: OpenAI, model: str) -> None:
    answer: Any = client.chat.completions.create(
        model=f"{model}-9x16", messages=[{"role": "user", "content": "a tower"}]
    )
    data = answer.choices[0].message.images[0]["image_url"]["url"].partition(",")[2]
    across, down = seen(data)["frame"]
    assert down / across == pytest.approx(16 / 9, rel=0.05)


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"size": "large"}, "size", "16:9"),
        ({"quality": "best"}, "quality", "standard"),
        ({"background": "transparent"}, "background", "opaque"),
        ({"extra_body": {"image_size": "8K"}}, "image_size", "4K"),
        ({"n": 11}, "n", "10"),
    ],
)
def test_unsupported_settings_are_named(
    client: OpenAI, fields: dict[str, Any], param: str, named: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.images.generate(model=GEMINI, prompt="x", **fields)
    assert refused.value.param == param
    assert named in refused.value.message


def test_model_without_image_output_is_rejected(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.images.generate(model="demo-gemini_api/gemini-2.5-flash", prompt="x")
    assert "gemini-3.1-flash-image" in refused.value.message
    with pytest.raises(BadRequestError, match="cannot edit images"):
        client.images.edit(model=IMAGEN, image=("a.png", PNG), prompt="x")


def test_default_model_is_used(client: OpenAI) -> None:
    answer = client.images.generate(prompt="x")
    assert seen((answer.data or [])[0].b64_json)["prompt"] == "x"


@pytest.mark.parametrize("model", DRAWING)
def test_filtered_image_prompt_is_rejected(client: OpenAI, model: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.images.generate(model=model, prompt="[[finish safety]] something bad")
    assert refused.value.code == "moderation_blocked"


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST])
def test_text_in_place_of_image_is_an_error(client: OpenAI, model: str) -> None:
    with pytest.raises(APIStatusError, match="I cannot draw") as failed:
        client.images.generate(model=model, prompt="[[say I cannot draw]]")
    assert failed.value.status_code == 502


@pytest.mark.parametrize("model", [GEMINI, CODE_ASSIST, IMAGEN])
def test_some_failed_images_leave_others(client: OpenAI, model: str) -> None:
    count = 8 if model == IMAGEN else 4  # Imagen draws four at a time
    prompt = f"[[error 400 times=1]] {uuid.uuid4()}"  # so often for each conversation
    raw = client.images.with_raw_response.generate(model=model, prompt=prompt, n=count)
    body = raw.http_response.json()
    got = count - (4 if model == IMAGEN else 1)
    assert len(body["data"]) == got
    [failure] = body["failures"]
    assert failure["message"]
    assert raw.headers["x-images-failed"] == f"1 of {got + 1}"


@pytest.mark.parametrize("model", DRAWING)
def test_all_failed_images_are_an_error(client: OpenAI, model: str) -> None:
    with pytest.raises(BadRequestError, match="Simulated failure"):
        client.images.generate(model=model, prompt="[[error 400]]", n=5)


@pytest.mark.parametrize("model", DRAWING)
def test_transient_failure_is_retried(client: OpenAI, model: str) -> None:
    prompt = f"[[error 503 times=1]] {uuid.uuid4()}"
    assert len(client.images.generate(model=model, prompt=prompt).data or []) == 1


def test_broken_image_stream_is_an_error(client: OpenAI) -> None:
    stream = client.images.generate(model=OPENAI, prompt="[[cut 1]]", stream=True, partial_images=2)
    with pytest.raises(APIError, match=r"broke off|lost"):
        list(stream)


def test_upstream_without_images_still_serves_chat(client: OpenAI) -> None:
    """The name has no picture behind it, and nobody is locked for that."""
    with pytest.raises(APIStatusError) as missing:
        client.images.generate(model="demo-openai/gpt-5.1", prompt="x")
    assert missing.value.status_code == 404
    answer = client.chat.completions.create(
        model="demo-openai/gpt-5.1", messages=[{"role": "user", "content": "[[say hi]]"}]
    )
    assert answer.choices[0].message.content == "hi"


def test_image_models_are_listed(client: OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert {
        "gpt-image-1",
        "gemini-3.1-flash-image",
        "gemini-3-pro-image",
        "imagen-4.0-generate-001",
    } <= listed


def predict(url: str, model: str, prompt: str, **parameters: Any) -> list[dict[str, str]]:
    """Ask as Imagen is asked; Google's SDK does so at its other platform only."""
    body = {"instances": [{"prompt": prompt}], "parameters": parameters}
    request = urllib.request.Request(
        f"{url}/v1beta/models/{model}:predict",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-goog-api-key": "any"},
    )
    with urllib.request.urlopen(request) as response:
        predictions: list[dict[str, str]] = json.load(response)["predictions"]
        return predictions


@pytest.mark.parametrize("model", [IMAGEN, GEMINI, CODE_ASSIST])
def test_predict_generates_images(url: str, model: str) -> None:
    """Imagen is passed on to; others are asked in their own way."""
    made = predict(url, model, "a bird", sampleCount=2, aspectRatio="16:9")
    assert len(made) == 2
    for each in made:
        assert each["mimeType"] == "image/png"
        note = seen(each["bytesBase64Encoded"])
        assert note["prompt"] == "a bird"
        assert note["frame"][0] / note["frame"][1] == pytest.approx(16 / 9, rel=0.05)


@pytest.mark.parametrize("model", [IMAGEN, GEMINI, CODE_ASSIST])
def test_predict_reports_filter_reason(url: str, model: str) -> None:
    [made] = predict(url, model, "[[finish safety]] bad", sampleCount=1)
    assert made["raiFilteredReason"]


@pytest.mark.parametrize("stream", [False, True])
def test_chat_with_imagen_generates_image(client: OpenAI, stream: bool) -> None:
    asked: Any = {"model": IMAGEN, "messages": [{"role": "user", "content": "a tree"}]}
    answer: Any = client.chat.completions.create(**asked, stream=stream)
    if stream:
        deltas = [chunk.choices[0].delta for chunk in answer if chunk.choices]
        images = [image for delta in deltas for image in getattr(delta, "images", None) or []]
    else:
        images = answer.choices[0].message.images
    [image] = images
    assert seen(image["image_url"]["url"].partition(",")[2])["prompt"] == "a tree"
