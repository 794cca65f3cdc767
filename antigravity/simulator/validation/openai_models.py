"""What OpenAI's models refuse, by name; pure.

Sources: https://developers.openai.com/api/docs/models, and the guides on reasoning and on the
latest models.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from antigravity.simulator.errors import ApiError, refuse

_VERSION: Final = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?=-|$)")
_O_SERIES: Final = re.compile(r"o[134](?:-|$)")
_USUAL: Final = ("low", "medium", "high")
_RESPONSES_ONLY: Final = re.compile(
    r"(o[13]-pro|o[34]-(mini-)?deep-research|gpt-5[.\d]*-pro|gpt-5[.\d]*-codex|codex-mini)"
)
_TEXT_ONLY: Final = re.compile(r"(gpt-3\.5|gpt-4$|gpt-4-0613|o3-mini|o1-mini|gpt-5\.3-codex-spark)")
_NO_SCHEMAS: Final = re.compile(r"(gpt-3\.5|gpt-4($|-)|gpt-4o-2024-05-13|o1-(mini|preview))")
#: The largest output in tokens by the beginning of a name; the first that matches counts.
_OUTPUTS: Final = (
    ("gpt-3.5", 4_096),
    ("gpt-4-turbo", 4_096),
    ("gpt-4-32k", 32_768),
    ("gpt-4.1", 32_768),
    ("gpt-4o-2024-05-13", 4_096),
    ("gpt-4o", 16_384),
    ("gpt-4", 8_192),
    ("o1-mini", 65_536),
    ("o1-preview", 32_768),
    ("o", 100_000),
    ("gpt-5-pro", 272_000),
    ("gpt-5.3-codex-spark", 32_000),
)


def version(model: str) -> tuple[int, int]:
    """Return the version of a GPT model, ``(0, 0)`` for any other name."""
    match = _VERSION.match(model)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)


def is_o_series(model: str) -> bool:
    """Return whether it is one of the models o1 to o4."""
    return _O_SERIES.match(model) is not None


def is_reasoning_model(model: str) -> bool:
    """Return whether the model reasons, or is a newer chat model with the same parameters."""
    return is_o_series(model) or (version(model) >= (5, 0) and not model.startswith("gpt-5-chat"))


def max_output(model: str) -> int | None:
    """Return the largest output in tokens, ``None`` if the model is not OpenAI's."""
    if version(model) == (0, 0) and not model.startswith(("gpt-4o", "o1", "o3", "o4")):
        return None
    if "-chat" in model:
        return 16_384
    limits = (limit for beginning, limit in _OUTPUTS if model.startswith(beginning))
    return next(limits, 128_000)


def efforts(model: str) -> tuple[str, ...] | None:
    """Return the efforts that a model supports, none if it does not reason, ``None`` if unknown."""
    if is_o_series(model):
        if model.startswith(("o1-mini", "o1-preview")):
            return ()
        return ("medium",) if "deep-research" in model else _USUAL
    found = version(model)
    if found == (0, 0):
        return None
    if found < (5, 0) or "-chat" in model:
        return ()
    if "-pro" in model:
        return ("high",) if found == (5, 0) else ("medium", "high", "xhigh")
    if found == (5, 0):
        return _USUAL if "codex" in model else ("minimal", *_USUAL)
    if "codex" in model:
        short = model in ("gpt-5.1-codex", "gpt-5.1-codex-mini")
        return _USUAL if short else (*_USUAL, "xhigh")
    if found >= (6, 0) and ("-astra" in model or (found >= (6, 1) and "-sol" in model)):
        return (*_USUAL, "xhigh", "max")
    if found >= (5, 6):
        return ("none", *_USUAL, "xhigh", "max")
    return ("none", *_USUAL) if found == (5, 1) else ("none", *_USUAL, "xhigh")


def accepts_sampling(model: str, effort: str | None) -> bool:
    """Return whether the model supports sampling parameters with an effort, or without one."""
    if "-search" in model:
        return False
    if not is_reasoning_model(model):
        return True
    known = efforts(model) or ()
    if "none" not in known:
        return False
    return (effort or ("none" if version(model) < (5, 5) else "medium")) == "none"


def check_effort(effort: str, model: str, param: str) -> None:
    """Refuse an effort that a model does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    known = efforts(model)
    if known is None or effort in known:
        return
    if not known:
        refuse_unsupported(param)
    listed = " and ".join(f"'{name}'" for name in known)
    refuse(
        f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported "
        f"values are: {listed}.",
        param,
        "unsupported_value",
    )


def check_sampling(body: dict[str, Any], model: str, effort: str | None) -> None:
    """Refuse sampling parameters that a model does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if accepts_sampling(model, effort):
        return
    if "-search" in model:
        names = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "n")
        found = [name for name in names if name in body]
        if found:
            refuse(f"Model incompatible request argument supplied: {', '.join(found)}")
        return
    for name, default in (
        ("temperature", 1),
        ("top_p", 1),
        ("presence_penalty", 0),
        ("frequency_penalty", 0),
    ):
        if body.get(name, default) != default:
            refuse(
                f"Unsupported value: '{name}' does not support {body[name]} with this model. Only "
                f"the default ({default}) value is supported.",
                name,
                "unsupported_value",
            )
    for name in ("logprobs", "top_logprobs", "logit_bias"):
        if body.get(name):
            refuse_unsupported(name)


def check_chat_model(body: dict[str, Any], model: str) -> None:
    """Refuse what a model does not support in chat completions.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if _RESPONSES_ONLY.match(model):
        raise ApiError(
            404,
            "This model is only supported in v1/responses and not in v1/chat/completions.",
            "model",
        )
    if model.startswith(("o1-mini", "o1-preview")):
        for index, message in enumerate(body["messages"]):
            if message["role"] in ("system", "developer"):
                refuse(
                    f"Unsupported value: 'messages[{index}].role' does not support "
                    f"'{message['role']}' with this model.",
                    f"messages[{index}].role",
                    "unsupported_value",
                )
    check_content(body["messages"], model)
    form = body.get("response_format", {}).get("type")
    if form == "json_schema" and _NO_SCHEMAS.match(model):
        refuse(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this "
            "model. Learn more about supported models at the Structured Outputs guide: "
            "https://platform.openai.com/docs/guides/structured-outputs",
        )
    if body.get("tools") and model.startswith(("gpt-5-chat", "o1-mini", "o1-preview")):
        refuse(
            "Unsupported parameter: 'tools' is not supported with this model.",
            "tools",
            "unsupported_parameter",
        )
    most, limit = max_output(model), body.get("max_completion_tokens", body.get("max_tokens", 0))
    if most is not None and limit > most:
        name = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        refuse(
            f"{name} is too large: {limit}. This model supports at most {most} completion tokens, "
            f"whereas you provided {limit}.",
            name,
            "invalid_value",
        )


def check_content(messages: list[Any], model: str) -> None:
    """Refuse images for models that read text only.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not _TEXT_ONLY.match(model):
        return
    for message in messages:
        content = message.get("content")
        kinds = [part.get("type") for part in content] if isinstance(content, list) else []
        if "image_url" in kinds or "input_image" in kinds:
            refuse(
                "Invalid content type. image_url is only supported by certain models.", "messages"
            )


def check_tools_of_chat(body: dict[str, Any], model: str) -> None:
    """Refuse functions with reasoning, for models that support both in the Responses API only.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if version(model) < (5, 6) or not body.get("tools"):
        return
    if body.get("reasoning_effort") != "none":
        refuse(
            f"Function tools with reasoning_effort are not supported for {model} in "
            "/v1/chat/completions. To use function tools, use /v1/responses or set "
            "reasoning_effort to 'none'.",
            "reasoning_effort",
        )


def refuse_unsupported(name: str) -> NoReturn:
    """Refuse a parameter that a model does not support.

    :raises ApiError: always.
    """
    refuse(
        f"Unsupported parameter: '{name}' is not supported with this model.",
        name,
        "unsupported_parameter",
    )
