"""Parameters that upstreams refuse, in the words of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.protocols.parameter_refusals import find_refused_parameters

SENT = {
    "model": "m",
    "messages": [],
    "tools": [],
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "seed": 1,
    "random_seed": 1,
    "stop": ["a"],
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "logprobs": True,
    "top_logprobs": 1,
    "user": "u",
    "store": False,
    "metadata": {},
    "stream_options": {},
    "parallel_tool_calls": True,
    "reasoning_effort": "high",
    "verbosity": "low",
    "reasoning": {"effort": "high"},
    "output_config": {"effort": "high"},
    "generationConfig": {"presencePenalty": 1, "thinkingConfig": {"thinkingLevel": "LOW"}},
}


def openai(message: str, param: str | None = None, code: str | None = None) -> Any:
    return {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": param,
            "code": code,
        }
    }


def anthropic(message: str) -> Any:
    error = {"type": "invalid_request_error", "message": message}
    return {"type": "error", "error": error, "request_id": "req_1"}


def google(message: str) -> Any:
    return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (openai("Unsupported parameter: 'temperature' is not supported with this model.",
                "temperature", "unsupported_parameter"), "temperature"),
        (openai("Unsupported value: 'top_p' does not support 0.5 with this model. Only the default "
                "(1) value is supported.", "top_p", "unsupported_value"), "top_p"),
        (openai("Unsupported parameter: 'reasoning.effort' is not supported with this model.",
                "reasoning.effort", "unsupported_parameter"), "reasoning_effort"),
        (openai("Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort"),
        (openai("Unrecognized request arguments supplied: store, metadata"), "store metadata"),
        (openai("Unknown parameter: 'stream_options'.", "stream_options", "unknown_parameter"),
         "stream_options"),
        (openai("Model incompatible request argument supplied: temperature"), "temperature"),
        (openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.", "max_tokens"), "max_tokens"),
        (openai("property 'logprobs' is unsupported"), "logprobs"),
        (openai("`reasoning_effort` is not supported with this model"), "reasoning_effort"),
        (openai("invalid temperature: only 1 is allowed for this model"), "temperature"),
        (openai("openai does not support parameters: ['logprobs', 'top_p'], for model=gpt-7"),
         "logprobs top_p"),
        (openai('json: unknown field "seed"'), "seed"),
        (openai("create() got an unexpected keyword argument 'top_k'"), "top_k"),
        ({"message": "Unsupported parameter(s): presence_penalty", "type": "x"},
         "presence_penalty"),
        ({"code": "Client specified an invalid argument",
          "error": "Argument not supported on this model: presencePenalty (Model: grok-4)"},
         "presence_penalty"),
        ({"code": "x", "error": "Argument not supported on this model: stop"}, "stop"),
        ({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
                      "msg": "Extra inputs are not permitted", "input": 1}]}, "seed"),
        ({"object": "error", "message": {"detail": [
            {"type": "extra_forbidden", "loc": ["body", "parallel_tool_calls"], "msg": "x"}]}},
         "parallel_tool_calls"),
        ({"error": {"code": "Invalid input", "status": 422, "message": "invalid input error",
                    "details": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": "x"},
                                {"type": "extra_forbidden", "loc": ["body", "stream_options",
                                                                    "include_usage"]}]}},
         "store stream_options"),
        ({"error": {"code": "Invalid input", "status": 422, "message": json.dumps(
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "user"], "msg": "x"}]})}},
         "user"),
        ({"error": "Extra parameters ['seed', 'user'] are not allowed when extra-parameters is not "
                   "set or set to be 'error'.", "status": 400}, "seed user"),
        ({"error": {"code": "Bad Request", "message": "Extra parameters ['seed'] are not allowed "
                    "when extra-parameters is not set or set to be 'error'."}}, "seed"),
        ({"error": {"requestid": "x", "code": 400, "message":
            "Validation error at #/store: Extra inputs are not permitted\n"
            "Validation error at #/seed: Extra inputs are not permitted"}}, "store seed"),
        (anthropic("`temperature` is deprecated for this model."), "temperature"),
        (anthropic("top_k: Extra inputs are not permitted"), "top_k"),
        (anthropic("This model does not support the effort parameter."), "reasoning_effort"),
        (google("Penalty is not enabled for models/gemini-2.5-flash"),
         "presence_penalty frequency_penalty"),
        (google("Logprobs is not enabled for models/gemini-2.5-flash"), "logprobs"),
        (google("Invalid JSON payload received. Unknown name \"presencePenalty\" at "
                "'generation_config': Cannot find field."), "presence_penalty"),
        ([google("Unknown name \"seed\": Cannot find field.")], "seed"),
    ],
)  # fmt: skip
def test_refused_parameters_are_found(error: Any, names: str) -> None:
    found = find_refused_parameters(400, json.dumps(error).encode(), json.dumps(SENT).encode())
    assert found == set(names.split())


@pytest.mark.parametrize(
    "error",
    [
        openai("Function tools with reasoning_effort are not supported for gpt-5.6-sol in "
               "/v1/chat/completions. To use function tools, use /v1/responses or set "
               "reasoning_effort to 'none'.", "reasoning_effort"),
        openai("Unsupported parameter: 'tools' is not supported with this model.", "tools"),
        openai("Unsupported parameter: 'messages' is not supported with this model.", "messages"),
        openai("max_tokens is too large: 9. This model supports at most 5.", "max_tokens"),
        openai("Invalid 'temperature': decimal above maximum value.", "temperature"),
        openai("The user message is not supported by the store."),
        openai("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs"),
        anthropic("`temperature` and `top_p` cannot both be specified for this model."),
        anthropic("`top_k` must be unset when thinking is enabled."),
        anthropic("adaptive thinking is not supported on this model"),
        anthropic("messages.0.content.0.metadata: Extra inputs are not permitted"),
        google("Thinking level LOW is not supported for this model."),
        google("Please use a valid role: user, model."),
        {"detail": "Not supported"},
        {"detail": [{"type": "extra_forbidden",
                     "loc": ["body", "messages", 3, "assistant", "metadata"], "msg": "x"}]},
        {"error": {"details": [{"type": "extra_forbidden", "loc": ["body", "tools", 0, "seed"]},
                               {"type": "extra_forbidden", "loc": [["body"]]}, "seed"]}},
        {"error": {"message": "{\"detail\": 1}"}}, {"error": {"message": "{seed"}},
        {"detail": [{"type": "missing", "loc": ["body", "seed"]}]},
        [], "text", None, {"error": None}, {"error": {"message": None}},
    ],
)  # fmt: skip
def test_other_errors_name_no_parameter(error: Any) -> None:
    sent = json.dumps(SENT).encode()
    assert find_refused_parameters(400, json.dumps(error).encode(), sent) == set()


def test_only_refusals_of_sent_parameters_count() -> None:
    error = json.dumps(openai("Unknown parameter: 'top_p'.", "top_p")).encode()
    assert find_refused_parameters(400, error, b'{"top_k": 1}') == set()
    assert find_refused_parameters(429, error, b'{"top_p": 1}') == set()
    assert find_refused_parameters(422, error, b'{"top_p": 1}') == {"top_p"}
    assert find_refused_parameters(400, b"top_p is unsupported", b'{"top_p": 1}') == {"top_p"}
    assert find_refused_parameters(400, b"\xff{", b"\xff") == set()
