"""What services with OpenAI's protocol refuse, each in its own words; pure.

A service is known by the host that a request names; ``vllm.internal`` is a server at home, and
``tgi.internal`` one that does not know ``stream_options``.  Sources: the API references of
DeepSeek, Moonshot, Z.ai, Alibaba's Model Studio, MiniMax, Mistral and xAI.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.view import name_set

_KIMI_FIXED: Final = re.compile(r"kimi-(k2\.\d|k3)")
_KIMI_THINKS: Final = re.compile(r"kimi-(k2-thinking|k2\.7-code|k3)")
_GROK_REASONS: Final = re.compile(r"grok-(3-mini|4|5|code|build)")
_MISTRAL_FIELDS: Final = name_set(
    """model messages temperature top_p max_tokens stream stop random_seed response_format tools
    tool_choice presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode
    reasoning_effort safe_prompt metadata guardrails"""
)
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")


def check_service(host: str, body: dict[str, Any]) -> None:
    """Refuse what the service at a host refuses.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    check = _find_check(host)
    if check is not None:
        check(body, str(body.get("model", "")).lower())


def is_compatible_service(host: str) -> bool:
    """Return whether the host is that of a compatible service, and not OpenAI's."""
    return _find_check(host) is not None


def _find_check(host: str) -> Callable[[dict[str, Any], str], None] | None:
    name = host.partition(":")[0]
    return next((check for end, check in _CHECKS if name == end or name.endswith(f".{end}")), None)


def _forces_tool(body: dict[str, Any]) -> bool:
    choice = body.get("tool_choice")
    return choice == "required" or isinstance(choice, dict)


def _switch(body: dict[str, Any]) -> str | None:
    """Return the value of the switch for thinking."""
    thinking = body.get("thinking")
    return thinking.get("type") if isinstance(thinking, dict) else None


def _refuse_media(body: dict[str, Any], *kinds: str) -> None:
    for message in body.get("messages", ()):
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in kinds:
                refuse(f"Failed to deserialize the JSON body: unknown variant `{part['type']}`")


def _form(body: dict[str, Any]) -> Any:
    form = body.get("response_format")
    return form.get("type") if isinstance(form, dict) else None


def _check_deepseek(body: dict[str, Any], model: str) -> None:
    _refuse_media(body, "image_url", "file", "input_audio", "video_url")
    if _form(body) == "json_schema":
        refuse("This response_format type is unavailable now")
    if body.get("n", 1) != 1:
        refuse("Invalid n value (currently only n = 1 is supported)")
    if not 1 <= body.get("max_tokens", 1) <= 393_216:
        refuse("Invalid max_tokens value, the valid range of max_tokens is [1, 393216]")
    thinks = "chat" not in model and _switch(body) != "disabled"
    if thinks and _forces_tool(body):
        refuse("Thinking mode does not support this tool_choice")
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in ("minimal", "low", "medium", "high", "xhigh", "max"):
        refuse(f"Failed to deserialize the JSON body: unknown variant `{effort}`")


def _check_moonshot(body: dict[str, Any], model: str) -> None:
    if _KIMI_FIXED.match(model):
        fixed = {"temperature": (0.6, 1), "top_p": (0.95,), "n": (1,)}
        for name in ("presence_penalty", "frequency_penalty"):
            fixed[name] = (0,)
        for name, allowed in fixed.items():
            if name in body and body[name] not in allowed:
                refuse(f"invalid {name}: only {allowed[-1]} is allowed for this model")
    elif not 0 <= body.get("temperature", 0) <= 1:
        refuse("invalid temperature: it must be between 0 and 1")
    off = _switch(body) == "disabled"
    if off and _KIMI_THINKS.match(model):
        refuse(f"invalid thinking: {model} does not support disabled thinking")
    if _forces_tool(body) and not off and (_KIMI_FIXED.match(model) or _KIMI_THINKS.match(model)):
        refuse("tool_choice 'specified' is incompatible with thinking enabled")
    if body.get("reasoning_effort") in ("none", "minimal"):
        refuse(f"invalid reasoning_effort: {body['reasoning_effort']}")


def _check_zai(body: dict[str, Any], model: str) -> None:
    if not 0 <= body.get("temperature", 0) <= 1:
        _refuse_zai("1210", "temperature must be in the range [0.0, 1.0]")
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 1:
        _refuse_zai("1210", "stop supports one stop word only")
    if body.get("tool_choice", "auto") != "auto":
        _refuse_zai("1210", "tool_choice supports auto only")
    if _switch(body) == "disabled" and model.startswith("glm-5.3"):
        _refuse_zai("1210", "thinking.type supports enabled only")
    limit = 98_304 if model.startswith("glm-4.5") else 131_072
    if body.get("max_tokens", 1) > limit:
        _refuse_zai("1210", f"max_tokens must be in the range [1, {limit}]")
    if not any(message.get("role") == "user" for message in body.get("messages", ())):
        _refuse_zai("1214", "messages must contain a user message")


def _refuse_zai(code: str, message: str) -> NoReturn:
    raise ApiError(400, body={"error": {"code": code, "message": message}})


def _check_qwen(body: dict[str, Any], model: str) -> None:
    thinks = body.get("enable_thinking")
    if thinks is None:
        thinks = re.match(r"qwen3\.[5-9]|qwen3-\d|qwq|.*-thinking", model) is not None
    if thinks and _forces_tool(body):
        refuse(
            "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support "
            "being set to required or object in thinking mode"
        )
    if thinks and not body.get("stream"):
        refuse("parameter.enable_thinking must be set to false for non-streaming calls")
    budget = body.get("thinking_budget")
    if budget is not None and not 1 <= budget <= 81_920:
        refuse(
            "The thinking_budget parameter must be a positive integer and not greater than 81920"
        )


def _check_minimax(body: dict[str, Any], model: str) -> None:
    if body.get("n", 1) != 1:
        refuse("invalid params, n only supports the value 1 (2013)")
    if not 0 <= body.get("temperature", 1) <= 1:
        refuse("invalid params, temperature must be in (0, 1] (2013)")


def _check_mistral(body: dict[str, Any], model: str) -> None:
    for name in body:
        if name not in _MISTRAL_FIELDS:
            _refuse_field(body, name)
    if "reasoning_effort" in body and re.match(
        r"mistral-(small-(latest|4|2603)|medium-(3[.-]5|2604))", model
    ) is None:  # fmt: skip
        _refuse_mistral(f"reasoning_effort is not enabled for model {model}")
    if body.get("reasoning_effort", "none") not in ("none", "high"):
        _refuse_mistral("reasoning_effort must be one of none, high")
    for message in body.get("messages", ()):
        for call in message.get("tool_calls") or ():
            if _CALL_ID.fullmatch(str(call.get("id"))) is None:
                _refuse_mistral(
                    f"Tool call id was {call.get('id')} but must be a-z, A-Z, 0-9, with a length "
                    "of 9."
                )


def _refuse_field(body: dict[str, Any], name: str) -> NoReturn:
    """Refuse a field as FastAPI does."""
    detail = {
        "type": "extra_forbidden",
        "loc": ["body", name],
        "msg": "Extra inputs are not permitted",
        "input": body[name],
    }
    raise ApiError(422, body={"detail": [detail]})


def _refuse_mistral(message: str) -> NoReturn:
    raise ApiError(
        400,
        body={
            "object": "error",
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": "3051",
        },
    )


def _check_xai(body: dict[str, Any], model: str) -> None:
    reasons = _GROK_REASONS.match(model) is not None and "non-reasoning" not in model
    if reasons:
        for name, spelled in (
            ("presence_penalty", "presencePenalty"),
            ("frequency_penalty", "frequencyPenalty"),
            ("stop", "stop"),
        ):
            if name in body:
                _refuse_xai(model, spelled)
    effort = body.get("reasoning_effort")
    if effort is not None and re.match(r"grok-(3-mini|4\.[35]|5|.*multi-agent)", model) is None:
        _refuse_xai(model, "reasoningEffort")
    if effort == "none" and re.match(r"grok-4\.3", model) is None:
        refuse(f"Invalid reasoning effort: {effort}")
    if body.get("tools") and "multi-agent" in model:
        refuse("Client side tools are not supported by multi-agent models")


def _refuse_xai(model: str, name: str) -> NoReturn:
    message = f"Argument not supported on this model: {name}"
    raise ApiError(
        400,
        body={
            "code": "Client specified an invalid argument",
            "error": f"{message} (Model: {model})",
        },
    )


def _check_vllm(body: dict[str, Any], model: str) -> None:
    top_k = body.get("top_k")
    if top_k is not None and top_k < 1 and top_k not in (0, -1):
        refuse(f"top_k must be 0 (disable), or at least 1, got {top_k}.")


def _check_tgi(body: dict[str, Any], model: str) -> None:
    if "stream_options" in body:
        _refuse_field(body, "stream_options")


_CHECKS: Final[tuple[tuple[str, Callable[[dict[str, Any], str], None]], ...]] = (
    ("deepseek.com", _check_deepseek),
    ("moonshot.ai", _check_moonshot),
    ("z.ai", _check_zai),
    ("aliyuncs.com", _check_qwen),
    ("minimax.io", _check_minimax),
    ("mistral.ai", _check_mistral),
    ("x.ai", _check_xai),
    ("vllm.internal", _check_vllm),
    ("tgi.internal", _check_tgi),
)
