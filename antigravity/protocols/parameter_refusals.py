"""Find the optional parameters that an upstream refuses, in its error.

Providers name a refused parameter in ``param``, in a list of invalid fields, or only in the
message.  A parameter counts if a request means the same without it, as far as an upstream that
refuses it can serve it at all: sampling, effort, hints.  Messages, tools and formats never count,
and a limit of the output only if it has another name (``max_completion_tokens``).  Refusals with a
condition ("when thinking is enabled") do not count either: they are about the combination.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

MAX_TOKENS: Final = "max_tokens"
MAX_COMPLETION_TOKENS: Final = "max_completion_tokens"

BLOCK_BINDING: Final = "block_binding"
#: The beta that comes with ``block_binding``, in the errors of services that do not know it.
_BINDING_BETA: Final = b"thinking-binding-controls"

#: The parameters, by the names that protocols and messages give them.
_NAMES: Final = {
    name: parameter
    for parameter, names in {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "seed": "seed random_seed",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
        "logprobs": "logprobs response_logprobs",
        "top_logprobs": "top_logprobs",
        "logit_bias": "logit_bias",
        "stop": "stop stop_sequences",
        "reasoning_effort": "reasoning_effort effort thinking_level",
        "thinking_budget": "thinking_budget",
        "enable_thinking": "enable_thinking",
        "parallel_tool_calls": "parallel_tool_calls",
        "stream_options": "stream_options include_usage",
        "store": "store",
        "metadata": "metadata",
        "user": "user",
        "safety_identifier": "safety_identifier",
        "prompt_cache_key": "prompt_cache_key",
        "service_tier": "service_tier",
        "verbosity": "verbosity",
        BLOCK_BINDING: "block_binding prefix_mismatch_behavior",
        MAX_COMPLETION_TOKENS: MAX_COMPLETION_TOKENS,
    }.items()
    for name in names.split()
}
#: Names that are also words of a message; they count only if they are quoted or listed.
_WORDS: Final = frozenset(("seed", "stop", "effort", "store", "metadata", "user", "verbosity"))
_REFUSED: Final = re.compile(
    r"unsupported|not (currently )?supported|does not support|no longer supported"
    r"|unknown (name|field|parameter|argument)|unrecognized|unexpected keyword"
    r"|extra inputs|extra_forbidden|extraneous"
    r"|not permitted|not allowed|is not enabled|deprecated for this model|cannot find field"
    r"|incompatible request argument|only [^.]* is (allowed|supported)|invalid parameter",
    re.IGNORECASE,
)
_CONDITION: Final = re.compile(
    r"\b(when|while|unless|both|together|in thinking mode|at the same time|set \w+ to|v1/\w+"
    r"|tools?)\b",
    re.IGNORECASE,
)
#: What follows are values that the upstream accepts: it knows the parameter.
_OTHER_VALUES: Final = re.compile(rb"supported values are\b", re.IGNORECASE)
#: Azure's refusal, whose condition is about a header that the gateway does not send.
_EXTRA: Final = re.compile(r"^extra parameters \[([^\]]*)\] are not allowed\b", re.IGNORECASE)
#: The types of FastAPI's errors about fields that are not known.
_EXTRA_TYPES: Final = ("extra_forbidden", "value_error.extra")
_PENALTIES: Final = re.compile(r"penalty is not enabled", re.IGNORECASE)
_EFFORT: Final = re.compile(r"the effort parameter", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_QUOTED: Final = re.compile(r"""['"`\[]\s*([A-Za-z_][A-Za-z0-9_.]*)\s*['"`\]]""")
_LISTED: Final = re.compile(
    r"(?:supplied|parameters?(?:\(s\))?|arguments?|this model): ([\w., ]+)", re.IGNORECASE
)
#: The limit of the output has another name there, which is then used.
_RENAMED: Final = re.compile(r"use .?max_completion_tokens.? instead", re.IGNORECASE)
_BEGINNING: Final = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_.]*):")
#: The place of a member in a body, in the errors of some services of Azure.
_POINTER: Final = re.compile(r"#/([A-Za-z_][A-Za-z0-9_]*):")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: The beginnings of paths inside of a conversation, whose members can have the same names.
_CONTENT: Final = ("messages.", "contents.", "input.", "system.", "tools.")
#: The statuses of responses that refuse a parameter.
STATUSES: Final = (400, 422)
#: Bytes of an error that are searched.
_LONGEST: Final = 4096
#: Objects of a request body with parameters inside.
NESTED: Final = (
    "generationConfig", "thinkingConfig", "reasoning", "output_config", "text", "thinking",
)  # fmt: skip


def find_refused_parameters(status: int, body: bytes, sent: bytes) -> frozenset[str]:
    """Return the parameters of a request that an error response refuses; usually none.

    ``sent`` is the body of the request: only what it has can be refused.
    """
    if status not in STATUSES:
        return frozenset()
    error, request = _decoded(body), _decoded(sent)
    if not isinstance(request, dict):
        return frozenset()
    if MAX_TOKENS in request and _RENAMED.search(body[:_LONGEST].decode("utf-8", "replace")):
        return frozenset((MAX_TOKENS,))
    found = {name for name in _named(error, body) if name is not None}
    if _BINDING_BETA in body[:_LONGEST]:
        found.add(BLOCK_BINDING)
    return frozenset(found & set(_parameters(request)))


def mentions_parameter(status: int, body: bytes, name: str) -> bool:
    """Return whether an error response names a parameter, for whatever reason."""
    text = body[:_LONGEST].decode("utf-8", "replace")
    return status in STATUSES and any(parameter_of(each) == name for each in _NAME.findall(text))


def refuses_one_value(body: bytes) -> bool:
    """Return whether an error response says which other values of a parameter are accepted."""
    return _OTHER_VALUES.search(body, 0, _LONGEST) is not None


def parameter_of(name: str) -> str | None:
    """Return the parameter that a name in a request or a message stands for."""
    if name.startswith(_CONTENT):
        return None
    last = _CAMEL.sub("_", name.strip().rpartition(".")[2]).lower()
    return _NAMES.get(last)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _parameters(request: dict[str, Any]) -> Iterator[str]:
    """Yield the parameters that a request has."""
    for name, value in request.items():
        parameter = parameter_of(name)
        if parameter is not None:
            yield parameter
        if name in NESTED and isinstance(value, dict):
            yield from _parameters(value)


def _named(error: Any, body: bytes) -> Iterator[str | None]:
    """Yield the parameters that an error refuses."""
    if isinstance(error, list) and error:
        error = error[0]
    if not isinstance(error, dict):
        yield from _in_message(body[:_LONGEST].decode("utf-8", "replace"))
        return
    yield from _in_details(error)
    inner = error.get("error", error)
    if isinstance(inner, str):
        yield from _in_message(inner)
    if not isinstance(inner, dict):
        return
    if inner is not error:
        yield from _in_details(inner)
    message = inner.get("message")
    if isinstance(message, str) and message.startswith("{"):
        message = _decoded(message.encode())
    if isinstance(message, dict):
        yield from _in_details(message)
    if not isinstance(message, str):
        return
    param = inner.get("param")
    if not isinstance(param, str) or not param:
        yield from _in_message(message)
    elif _is_unconditional(message):
        yield parameter_of(param)


def _in_details(error: dict[str, Any]) -> Iterator[str | None]:
    """Yield the refused parameters of a list of invalid fields, as FastAPI and Azure send it."""
    for name in ("detail", "details"):
        fields = error.get(name)
        for each in fields if isinstance(fields, list) else ():
            if isinstance(each, dict) and each.get("type") in _EXTRA_TYPES:
                place = each.get("loc")
                if isinstance(place, list) and place:
                    yield parameter_of(".".join(str(part) for part in place if part != "body"))


def _in_message(message: str) -> Iterator[str | None]:
    extra = _EXTRA.match(message)
    if extra is not None:
        yield from map(parameter_of, _NAME.findall(extra[1]))
    if not _is_unconditional(message):
        return
    if _PENALTIES.search(message):
        yield from ("presence_penalty", "frequency_penalty")
    if _EFFORT.search(message):
        yield "reasoning_effort"
    certain = set(_QUOTED.findall(message))
    certain.update(_POINTER.findall(message))
    certain.update(match[1] for match in [_BEGINNING.match(message)] if match)
    for listed in _LISTED.findall(message):
        certain.update(_NAME.findall(listed))
    for name in {*_NAME.findall(message), *certain}:
        plain = name.rstrip(".")
        if name in certain or plain.lower() not in _WORDS:
            yield parameter_of(plain)


def _is_unconditional(message: str) -> bool:
    return _REFUSED.search(message) is not None and _CONDITION.search(message) is None
