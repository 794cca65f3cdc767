"""Checks of requests to OpenAI's images endpoints and Google's ``predict``; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final

from msgspec import Meta

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.image_models import aspect_ratios, image_sizes, pixel_size
from antigravity.simulator.validation.openai_errors import read_body, refuse_missing
from antigravity.simulator.validation.schema import choice, optional, struct
from antigravity.simulator.view import Attachment, Turn, View, name_set

_FIELDS: Final = {
    "background": choice("transparent opaque auto") | None,
    "model": str | None,
    "n": Annotated[int, Meta(ge=1, le=10)] | None,
    "output_format": choice("png webp jpeg") | None,
    "partial_images": Annotated[int, Meta(ge=0, le=3)] | None,
    "prompt": str,
    "quality": choice("low medium high xhigh max auto") | None,
    "stream": bool | None,
    **optional(Any, "moderation output_compression safety_identifier size user"),
}
_GENERATION: Final = struct({**_FIELDS, "style": Any}, closed=True)
_EDIT: Final = struct(
    {**_FIELDS, **optional(Any, "image image[] images input_fidelity mask")}, closed=True
)
#: What the texts of a form stand for, by the field.
_FROM_TEXT: Final[dict[str, Callable[[str], Any]]] = {
    "n": int,
    "partial_images": int,
    "stream": {"true": True, "false": False}.get,
}
_TYPES: Final = {"89504e47": "image/png", "ffd8ff": "image/jpeg", "52494646": "image/webp"}
#: Models with three fixed sizes; newer ones accept any size within limits.
_FIXED_SIZES_MODELS: Final = ("gpt-image-1", "chatgpt-image")
_FIXED_SIZES: Final = ("1024x1024", "1536x1024", "1024x1536")
_LONGEST_SIDE: Final = 3840
_PIXELS: Final = re.compile(r"(\d{2,4})x(\d{2,4})")
_PREDICT: Final = name_set(
    """sampleCount aspectRatio sampleImageSize personGeneration outputOptions includeRaiReason
    includeSafetyAttributes guidanceScale language safetySetting seed"""
)


def check(body: dict[str, Any], form: bool, edit: bool) -> View:
    """Return the view of a valid request for images.

    :param form: whether the body is a form, whose values are all texts.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(_typed(body) if form else body, _EDIT if edit else _GENERATION)
    model = body.get("model") or "gpt-image-1"
    if not model.startswith(("gpt-image", "chatgpt-image")):
        message = f"The model '{model}' does not exist."
        raise ApiError(404, message, param="model", code="model_not_found")
    if not body["prompt"]:
        refuse_missing("prompt")
    seen = _images(body, form) if edit else ()
    return View(
        model=model,
        turns=(Turn("user", (body["prompt"],), seen),),
        body={"stream": False, **body},
        choices=body.get("n", 1),
        image_output=True,
        image_size=_frame(model, body.get("size") or "auto"),
    )


def _typed(form: dict[str, Any]) -> dict[str, Any]:
    """Return a form with its numbers and booleans converted."""
    typed = dict(form)
    for name, convert in _FROM_TEXT.items():
        if isinstance(form.get(name), str):
            with suppress(ValueError):
                typed[name] = convert(form[name])
    return typed


def _frame(model: str, size: Any) -> tuple[int, int]:
    if size == "auto":
        return 1024, 1024
    if model.startswith(_FIXED_SIZES_MODELS) and size not in _FIXED_SIZES:
        listed = ", ".join(f"'{each}'" for each in (*_FIXED_SIZES, "auto"))
        refuse(f"Invalid value: '{size}'. Supported values are: {listed}.", "size")
    found = _PIXELS.fullmatch(size) if isinstance(size, str) else None
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    sides = sorted((width, height))
    if not all(sides) or width % 16 or height % 16 or sides[1] > min(3 * sides[0], _LONGEST_SIDE):
        refuse(
            f"Invalid size: '{size}'. Width and height must be multiples of 16, at most "
            f"{_LONGEST_SIDE}, with a ratio between 1:3 and 3:1.",
            "size",
        )
    return width, height


def _images(body: dict[str, Any], form: bool) -> tuple[Attachment, ...]:
    if not form:
        given = body.get("images")
        if not isinstance(given, list) or not given:
            refuse_missing("images")
        return tuple(Attachment("image/*", None, "given") for _ in given)
    names = ("image", "image[]", "mask")
    found = [body[name] for name in names if name in body]
    files = [file for value in found for file in (value if isinstance(value, list) else [value])]
    if not {"image", "image[]"} & body.keys():
        refuse_missing("image")
    if len(files) > 17:
        refuse("Too many images.", "image")
    return tuple(map(_image, files))


def _image(file: Any) -> Attachment:
    if not isinstance(file, dict):
        refuse("Invalid type for 'image': expected a file.", "image", "invalid_type")
    kinds = [kind for start, kind in _TYPES.items() if file["start"].startswith(start)]
    if not kinds:
        refuse("Invalid image file or mode for image.", "image", "invalid_image_file")
    return Attachment(kinds[0], file["size"])


def check_predict(model: str, body: dict[str, Any]) -> View:
    """Return the view of a valid request at ``predict``.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not model.startswith("imagen-"):
        raise ApiError(404, f"models/{model} is not found, or is not supported for predict.")
    instances = body.get("instances")
    if not isinstance(instances, list) or len(instances) != 1:
        refuse("Exactly one instance is expected.")
    prompt = instances[0].get("prompt") if isinstance(instances[0], dict) else None
    if not isinstance(prompt, str) or not prompt or set(instances[0]) != {"prompt"}:
        refuse("Text prompt cannot be empty.")
    parameters = body.get("parameters") or {}
    if not isinstance(parameters, dict):
        refuse("Invalid value at 'parameters'.")
    for name in sorted(parameters.keys() - _PREDICT):
        refuse(f"{name} parameter is not supported in Gemini API.")
    number = parameters.get("sampleCount", 4)
    if not isinstance(number, int) or not 1 <= number <= 4:
        refuse("sampleCount must be between 1 and 4.")
    ratio, size = parameters.get("aspectRatio", "1:1"), parameters.get("sampleImageSize", "1K")
    if not isinstance(ratio, str) or ratio not in aspect_ratios(model):
        refuse(f"aspectRatio {ratio} is not supported.")
    if "sampleImageSize" in parameters and size not in image_sizes(model):
        refuse(f"sampleImageSize {size} is not supported.")
    return View(
        model=model,
        turns=(Turn("user", (prompt,)),),
        body=body,
        choices=number,
        image_output=True,
        image_size=pixel_size(ratio, size),
    )
