"""Decodes requests: each prompt becomes a request with one user message.

Chat models do not support prompts in tokens, ``suffix``, log probabilities of a prompt, and a
``best_of`` above ``n``.  These are refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from antigravity.interfaces.server_traits import RequestedChoices
from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, Sampling, ThinkingConfig
from antigravity.protocols.json_body import bad_field, convert, load_object
from antigravity.protocols.member_scan import count, elements, members

NAME: Final = "openai_completions"
#: The most choices of one request, for all its prompts together.
MAX_CHOICES: Final = 128
#: The remedy in the errors about what chat models do not support.
_HINT: Final = "Route the model to an upstream that has this endpoint (`apis`)"

Penalty = Annotated[float, Meta(ge=-2, le=2)]


class StreamOptions(Struct):
    """``stream_options``."""

    include_usage: bool | None = None


class CompletionRequest(Struct):
    """The body of a call; fields that are not here become extensions."""

    model: Annotated[str, Meta(min_length=1)]
    prompt: str | list[Any]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    user: str | None = None


_KNOWN: Final = frozenset(CompletionRequest.__struct_fields__)
#: The fields that ``Sampling`` has with the same name and meaning.
_SAMPLING: Final = _KNOWN.intersection(Sampling.__struct_fields__) - {"logprobs", "n"}


def decode(call: Call) -> Request:
    """Return the request in a call, with the first of its prompts.

    :raises InvalidRequestError: naming the field at fault in ``param``.
    """
    body = load_object(call.body)
    wire: CompletionRequest = convert(body, CompletionRequest)
    _refuse(wire)
    texts = _prompts(wire.prompt)
    if len(texts) * (wire.n or 1) > MAX_CHOICES:
        raise bad_field("prompt", f"and `n` request more than {MAX_CHOICES} choices")
    stream = bool(wire.stream)
    options = wire.stream_options
    return Request(
        model=wire.model,
        messages=_messages(texts[0]),
        protocol=NAME,
        stream=stream,
        include_usage=not stream or bool(options is not None and options.include_usage),
        sampling=_sampling(wire),
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        max_output_tokens=wire.max_tokens,
        thinking=ThinkingConfig(include=False),  # the protocol has no field for it
        user=wire.user,
        extensions={name: value for name, value in body.items() if name not in _KNOWN},
    )


def requested_choices(call: Call) -> RequestedChoices:
    """Return how many choices a request has for each prompt, and how many prompts."""
    body = members(call.body)
    given = bytes(body.get("prompt", b""))
    prompts = elements(given) if given.startswith(b"[") else []
    return RequestedChoices(count(body, "n"), max(1, len(prompts)))


def split_prompts(call: Call, request: Request) -> tuple[Request, ...]:
    """Return a request for each prompt of a call that was decoded to ``request``."""
    wire: CompletionRequest = convert(load_object(call.body), CompletionRequest)
    texts = _prompts(wire.prompt)
    return (request, *(replace(request, messages=_messages(text)) for text in texts[1:]))


def native_only_error(call: Call) -> InvalidRequestError | None:
    """Return the error for a request that no chat model can serve, ``None`` for others."""
    try:
        wire: CompletionRequest = convert(load_object(call.body), CompletionRequest)
    except InvalidRequestError:
        return None  # decode() reports it
    try:
        _refuse(wire)
        _prompts(wire.prompt)
    except InvalidRequestError as error:
        return error
    return None


def echoed(call: Call) -> tuple[str, ...]:
    """Return the texts that the choices begin with: the prompts, if the request has ``echo``."""
    if b'"echo"' not in call.body:
        return ()
    wire: CompletionRequest = convert(load_object(call.body), CompletionRequest)
    if not wire.echo:
        return ()
    return tuple(text for text in _prompts(wire.prompt) for _ in range(wire.n or 1))


def _messages(text: str) -> tuple[Message, ...]:
    return (Message("user", (Text(text),)),)


def _refuse(wire: CompletionRequest) -> None:
    """Refuse fields that no chat model supports.

    :raises InvalidRequestError: naming the field.
    """
    if wire.suffix:
        raise bad_field("suffix", f"is not supported by chat models. {_HINT}")
    if wire.best_of is not None and wire.best_of > (wire.n or 1):
        raise bad_field(
            "best_of", f"must not be greater than `n`: chat models do not rank choices. {_HINT}"
        )
    if wire.best_of is not None and wire.best_of < (wire.n or 1):
        raise bad_field("best_of", "must not be less than `n`")
    if wire.echo and wire.logprobs is not None:
        raise bad_field(
            "echo", f"can't be combined with `logprobs`: chat models have none for prompts. {_HINT}"
        )


def _prompts(prompt: str | list[Any]) -> tuple[str, ...]:
    if isinstance(prompt, str):
        return (prompt,)
    if not prompt:
        raise bad_field("prompt", "must not be empty")
    if any(isinstance(item, int | list) for item in prompt):
        raise bad_field("prompt", f"must be text: chat models do not accept tokens. {_HINT}")
    if not all(isinstance(item, str) for item in prompt):
        raise bad_field("prompt", "must be a string, or a list of strings")
    return tuple(prompt)


def _sampling(wire: CompletionRequest) -> Sampling:
    return Sampling(
        **{name: getattr(wire, name) for name in _SAMPLING},
        logprobs=None if wire.logprobs is None else True,
        top_logprobs=wire.logprobs,
        n=wire.n or 1,
    )
